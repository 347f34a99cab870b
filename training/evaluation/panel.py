"""Who chooses and refines in an evaluation and who judges: two models, or a circle that is told."""

from __future__ import annotations

from dataclasses import dataclass

from emofeedback.errors import ConfigError
from emofeedback.reading.base import Scorer

from ..rewards.head import head_reader
from ..rewards.server import ServerReader
from ..rewards.stack import EmotionReader, ReadingCache
from ..settings.reward import RewardConfig
from .options import EvaluationOptions
from .systems import ReaderScorer

WORLD_JUDGE = "the drawn world's judge"


@dataclass(frozen=True)
class Panel:
    """Scorer and judge of an evaluation."""

    scorer: Scorer
    """Chooses, explains and refines."""
    reader: EmotionReader | None
    """Measures; None: the drawn world's judge."""
    judge: str
    """Its name."""
    circular: bool
    """Scorer and judge are one model."""

    def told(self) -> str:
        """The first line of the report."""
        if self.circular:
            return (
                f"**circular**: {self.judge} chooses the pictures and judges them, so systems that "
                "choose look better than they are. Give --judge-server with another model."
            )
        return f"Chosen and refined by {self.scorer.name}, judged by {self.judge}."


def open_panel(options: EvaluationOptions) -> Panel:
    """Scorer and judge as the options name them; nothing is asked yet.

    Raises: ConfigError: a real model without a judge, or a server that may not be called.
    """
    from emofeedback.embedded.scorer import load_scorer

    judge = _address(options, options.judge_server, options.judge_model)
    scorer = _address(options, options.scorer_server, options.scorer_model)
    if options.head is not None:
        reader = ReadingCache(head_reader(str(options.head), options.head_encoder))
        if scorer is None:
            return Panel(ReaderScorer(reader), reader, options.head.name, circular=True)
        return Panel(ServerReader(scorer).scorer, reader, options.head.name, circular=False)
    if judge is None:
        if options.model not in ("", "smoke"):
            raise ConfigError(
                "The drawn world's judge knows drawn pictures only. Give --judge-server URL "
                "--judge-model NAME of a vision-language model, or --head FILE, that was not the "
                "reward of the training (--server URL --server-model NAME for both in one)."
            )
        chosen = load_scorer() if scorer is None else ServerReader(scorer).scorer
        return Panel(chosen, None, WORLD_JUDGE, circular=False)
    measuring = ServerReader(judge)
    reader, name = ReadingCache(measuring), measuring.scorer.name
    if scorer is None or (scorer == judge and not options.scorer_server):
        return Panel(ReaderScorer(reader), reader, name, circular=True)
    return Panel(ServerReader(scorer).scorer, reader, name, circular=scorer == judge)


def _address(options: EvaluationOptions, server: str, model: str) -> RewardConfig | None:
    """A server of its own, else the common one."""
    server, model = server or options.server, model or options.server_model
    if not server:
        return None
    if not model:
        raise ConfigError(f"No model is named for {server}: give the model's name beside it.")
    return RewardConfig(scorer="server", server=server.rstrip("/"), server_model=model)
