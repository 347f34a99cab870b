"""What scorers and refiners declare is so: who can, does; who cannot, says so."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emofeedback.embedded.picture_encoder import embedded_encoder
from emofeedback.embedded.scorer import load_lvlm, load_scorer
from emofeedback.errors import ScorerError
from emofeedback.loop.memory import LoopMemory, RememberingRefiner, RememberingScorer
from emofeedback.lvlm.local import TransformersLvlm
from emofeedback.reading.base import Scorer
from emofeedback.reading.editing import EditScorer
from emofeedback.reading.encoders import encode
from emofeedback.reading.head_fit import fit_head
from emofeedback.reading.head_scorer import HeadScorer
from emofeedback.reading.pair import PairedScorer
from emofeedback.reading.scorer import LvlmScorer
from emofeedback.records.emotion import Emotion
from emofeedback.records.request import blind_request
from emofeedback.refining.base import Refiner
from emofeedback.refining.falling_back import RulesInstead
from emofeedback.refining.instructions import InstructionRefiner
from emofeedback.refining.lvlm import LvlmRefiner
from emofeedback.refining.rules import RuleRefiner
from emofeedback.study.insertion import RoleInsertion
from training.evaluation.systems import ReaderScorer
from training.proof.oracles import JudgeScorer, KnowingRefiner

ROOT = Path(__file__).parents[3]
PICTURES = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(2))
ROOMS = ("emofeedback", "nodes", "training")


def head_scorer() -> HeadScorer:
    encoder = embedded_encoder()
    seen = torch.cat(encode([encoder], PICTURES), 1).numpy()
    rng = np.random.default_rng(0)
    features = seen[:1] + rng.normal(0, 0.1, (40, seen.shape[1]))
    themes = [f"theme {number // 4}" for number in range(40)]
    facts = {"encoders": [encoder.as_dict()]}
    ratings = rng.normal(size=(40, 2))
    return HeadScorer([encoder], fit_head([features], ratings, themes, seen, seen[0], facts), "it")


@pytest.fixture(scope="module")
def scorers() -> list[Scorer]:
    shipped = load_lvlm()
    asked = replace(shipped.prompts, text="viewer_text_v1", rewrites="viewer_rewrites_v1")
    asked = replace(asked, choosing=False)
    full = LvlmScorer(TransformersLvlm(shipped.model, shipped.processor, "full", asked))
    head = head_scorer()
    return [
        full,
        LvlmScorer(shipped),
        load_scorer(),
        head,
        JudgeScorer(),
        ReaderScorer(lambda images: torch.zeros(len(images), 2)),
        PairedScorer(full, head),
        PairedScorer(head, full),
        RememberingScorer(full, LoopMemory(), "full"),
        RememberingScorer(head, LoopMemory(), "head"),
        EditScorer(full, PICTURES[:1]),
        EditScorer(head, PICTURES[:1]),
    ]


def subclasses(base: str) -> set[str]:
    return {
        node.name
        for room in ROOMS
        for file in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        and base in {each.id for each in node.bases if isinstance(each, ast.Name)}
    }


def test_scorers_can_what_they_declare_and_refuse_the_rest(scorers: list[Scorer]) -> None:
    assert {type(scorer).__name__ for scorer in scorers} == subclasses("Scorer")
    for scorer in scorers:
        assert isinstance(scorer, Scorer)
        asked = {
            "read text": lambda scorer=scorer: scorer.read_text("a calm lake"),
            "refine": lambda scorer=scorer: scorer.refiner(),
        }
        for ability, ask in asked.items():
            if ability in scorer.abilities:
                ask()
            else:
                with pytest.raises(ScorerError, match=r"reads pictures only|cannot rewrite"):
                    ask()
        quick = [reading.prompt_version for reading in scorer.score(PICTURES)]
        told = [reading.prompt_version for reading in scorer.explain(PICTURES)]
        assert (quick != told) == ("explain" in scorer.abilities), scorer


def test_refiners_that_cannot_write_several_write_one(scorers: list[Scorer]) -> None:
    refiners: list[Refiner] = [RuleRefiner(), LvlmRefiner(load_lvlm()), load_scorer().refiner()]
    refiners += [RulesInstead(refiners[1]), RememberingRefiner(refiners[1], LoopMemory(), "it")]
    edits = EditScorer(scorers[1], PICTURES[:1])
    refiners.append(InstructionRefiner(refiners[0], edits.original, edits.reading))
    refiners.append(RoleInsertion())
    refiners.append(KnowingRefiner(refiners[0], lambda prompts, seed: PICTURES))
    assert {type(refiner).__name__ for refiner in refiners} == subclasses("Refiner")
    for refiner in refiners:
        assert not refiner.several
        made = refiner.refine_several(blind_request("a boat", Emotion(2, 1)), 3)
        assert len(made) == 1
        begins = "a joyful boat" if isinstance(refiner, RoleInsertion) else "a boat"
        assert made[0].prompt.startswith(begins)
    assert scorers[0].refiner().several
