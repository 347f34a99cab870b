"""The loop that one node samples itself, with a line of text and one bar over all rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import latent_preview
from torch import Tensor

from ...emofeedback.loop.observer import CutShort
from ...emofeedback.loop.progress import MAKING, REWRITING
from ...emofeedback.records.drawn import to_bytes
from ...emofeedback.records.emotion import Emotion
from ...emofeedback.records.state import LoopState
from .bridge import show_text
from .live import Page
from .sampling import SamplerSettings, sample_candidates
from .words import round_in_words


class SampledLoop(Page):
    """Makes the pictures of every round, and tells the page and the node meanwhile.

    Args:
        rounds: at most so many; the bar counts the sampler steps of all.
    """

    def __init__(self, settings: SamplerSettings, rounds: int) -> None:
        super().__init__(counted=True)
        self._settings = settings
        self._total = rounds * settings.steps
        self._show = latent_preview.prepare_callback(settings.model, self._total)
        self._state: LoopState | None = None
        self._latents: tuple[bytes, ...] = ()

    def told(self, state: LoopState, doing: str = "") -> None:
        """As `Page.told`, and a line on the node."""
        super().told(state, doing)
        self._state = state
        if doing == MAKING:
            show_text(f"round {state.coming_round} of {state.policy.rounds}: {state.prompt}")
        elif doing == REWRITING and state.coming_round == 1:
            show_text("rewriting the prompt for the first round")
        elif not doing and state.coming_round > 1:
            show_text(round_in_words(state))

    def take_aim(self, aim: Emotion) -> None:
        """What the adapter is given from now on."""
        self._settings = replace(self._settings, target=aim)

    @property
    def aim(self) -> Emotion:
        """What the adapter is given."""
        return self._settings.target

    def generate(self, prompts: Sequence[str], seed: int) -> Tensor:
        """The candidates of the round that was told last, [B, H, W, 3] in 0..1.

        Raises: CutShort: the artist wants no more of them.
        """
        images, latents = sample_candidates(self._settings, prompts, seed, progress=self._part)
        self._latents = tuple(map(to_bytes, latents)) if len(latents) == len(images) else ()
        return images

    def latents(self) -> tuple[bytes, ...]:
        """What the pictures that were made last were decoded from, as a round keeps it."""
        return self._latents

    def _part(self, part: int, parts: int) -> Callable[..., None]:
        state, steps = self._state, self._settings.steps
        assert state is not None, "the driver tells of a round before it asks for its pictures"

        def after_step(step: int, clean: Tensor, noisy: Tensor, _: int) -> None:
            if self.cut_wanted(state):
                raise CutShort
            done = (state.coming_round - 1) * steps + (part * steps + step) // parts
            self._show(done, clean, noisy, self._total)

        return after_step
