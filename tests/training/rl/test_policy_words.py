"""Embeddings of prompts are kept while they are in use, and no longer."""

from training.families.smoke import SmokeFamily
from training.rl.policy import Policy
from training.settings.files import load_config, preset_path


def test_words_for_every_target_do_not_fill_the_memory() -> None:
    policy = Policy(SmokeFamily(), load_config(preset_path("smoke")).model)
    encode, asked = policy.family.encode, []
    policy.family.encode = lambda prompts: (asked.extend(prompts), encode(prompts))[1]
    one = policy.words(["a boat"])
    policy.words_bytes = 3 * sum(each.nbytes for each in one)
    for number in range(9):
        policy.words([f"a boat at dusk {number}", "a boat"])
    assert len(asked) == 10  # the one that is in use is encoded once
    assert policy.words(["a boat at dusk 8"])[0].shape == one[0].shape
    assert len(asked) == 10
    policy.words(["a boat at dusk 0"])
    assert asked[-1] == "a boat at dusk 0"
