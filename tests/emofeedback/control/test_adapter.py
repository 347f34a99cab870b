"""The emotion adapter: off means untouched, and the change is smooth."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emofeedback.control.adapter import EmotionAdapter

AXIS = st.floats(-3, 3)


@pytest.fixture(scope="module")
def adapter() -> EmotionAdapter:
    torch.manual_seed(0)
    trained = EmotionAdapter(12, 6, hidden=16)
    for value in trained.parameters():
        torch.nn.init.normal_(value, std=0.3)
    return trained.requires_grad_(False)


@pytest.fixture(scope="module")
def words() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    context = torch.randn(3, 7, 12, generator=generator)
    context[0, 0, 0] = -0.0  # the one value that adding zero would change
    return context, torch.randn(3, 6, generator=generator)


def same_bits(left: torch.Tensor, right: torch.Tensor) -> bool:
    return left.numpy().tobytes() == right.numpy().tobytes()


def test_a_fresh_adapter_changes_nothing(words):
    context, pooled = EmotionAdapter(12, 6)(*words, torch.tensor([[2.0, -1.0]]))
    assert torch.equal(context, words[0]) and torch.equal(pooled, words[1])


@given(valence=AXIS, arousal=AXIS)
@settings(max_examples=20, deadline=None)
def test_strength_zero_returns_the_inputs_bit_for_bit(adapter, words, valence, arousal):
    emotion = torch.tensor([[valence, arousal]])
    for strength in (0.0, 0, torch.zeros(3)):
        context, pooled = adapter(*words, emotion, strength)
        assert same_bits(context, words[0]) and same_bits(pooled, words[1])


def test_strength_zero_is_exact_even_where_the_emotion_is_not_a_number(adapter, words):
    emotion = torch.full((3, 2), float("nan"))
    context, pooled = adapter(*words, emotion, torch.zeros(3))
    assert same_bits(context, words[0]) and same_bits(pooled, words[1])


def test_the_change_grows_in_proportion_to_the_strength(adapter, words):
    emotion = torch.tensor([[1.5, -2.0]])
    whole = adapter(*words, emotion, 1.0)
    half = adapter(*words, emotion, 0.5)
    for before, some, all_of_it in zip(words, half, whole, strict=True):
        torch.testing.assert_close(some - before, (all_of_it - before) / 2, atol=1e-6, rtol=1e-5)
        assert (all_of_it - before).abs().max() > 0.01


@given(valence=AXIS, arousal=AXIS)
@settings(max_examples=20, deadline=None)
def test_near_emotions_make_near_embeddings(adapter, words, valence, arousal):
    here = adapter(*words, torch.tensor([[valence, arousal]]))[0]
    there = adapter(*words, torch.tensor([[valence + 1e-3, arousal - 1e-3]]))[0]
    assert (here - there).abs().max() < 0.05


def test_any_number_of_tokens_comes_back_and_each_is_treated_alike(adapter, words):
    context, pooled = words
    emotion = torch.tensor([[-1.0, 1.0]])
    long = torch.cat([context, context], dim=1)
    changed = adapter(long, pooled, emotion)[0]
    torch.testing.assert_close(changed[:, :7], changed[:, 7:])
    torch.testing.assert_close(changed[:, :7], adapter(context, pooled, emotion)[0])


def test_each_picture_of_a_batch_has_its_own_emotion_and_strength(adapter, words):
    emotion = torch.tensor([[2.0, 2.0], [-2.0, 1.0], [0.5, -3.0]])
    strength = torch.tensor([0.0, 1.0, 0.3])
    together = adapter(*words, emotion, strength)
    for i in range(3):
        alone = adapter(
            words[0][i : i + 1], words[1][i : i + 1], emotion[i : i + 1], float(strength[i])
        )
        torch.testing.assert_close(together[0][i : i + 1], alone[0])
        torch.testing.assert_close(together[1][i : i + 1], alone[1])


def test_half_precision_inputs_keep_their_type(adapter, words):
    context, pooled = (value.half() for value in words)
    changed = adapter(context, pooled, torch.tensor([[1.0, 1.0]]))
    assert changed[0].dtype == changed[1].dtype == torch.float16
