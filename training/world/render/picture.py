"""Draws one scene from back to front."""

import numpy as np
from numpy.typing import NDArray

from ..scene import Scene
from .brush import SIDE, Brush, colour, skia
from .grading import finish
from .lights import LIGHTS_BEHIND, LIGHTS_OVER, light_source
from .postures import Standing
from .signs import SIGNS_BEFORE, SIGNS_BEHIND, SIGNS_GLOWING
from .skies import AMBIENT, SKIES
from .streets import PLACES
from .weathers import WEATHERS

LAYERS = {"place": 0, "sky": 2, "sign": 3, "weather": 4, "light": 5}
"""Layers that lie by chance, and the number of each one's random source."""
LAYOUTS = 3
"""Ways in which each layer can lie; a scene's seed picks one for each, 243 in all. Few enough for a
small generator to draw each of them clearly."""
SEEN_THROUGH = 0.5
"""How strongly the subject shines through what is drawn over it: mist, rain, beams."""


def layouts(seed: int) -> list[np.random.Generator]:
    """One random source per layer: changing a cue leaves the layout of the others where it was."""
    picks = np.random.default_rng(seed).integers(LAYOUTS, size=len(LAYERS))
    return [
        np.random.default_rng((source, int(pick)))
        for source, pick in zip(LAYERS.values(), picks, strict=True)
    ]


def render(scene: Scene, size: int = 256) -> NDArray[np.uint8]:
    """The picture of a scene, drawn natively at any size.

    Returns: uint8 [size, size, 3]; the same bytes for the same scene and size.
    """
    place, sky, sign, weather, light = layouts(scene.seed)
    pixels, brush = _blank(size)
    source = light_source(light, scene.cue("light"))
    SKIES[scene.cue("sky")](brush, sky)
    if behind := LIGHTS_BEHIND.get(scene.cue("light")):
        behind(brush, source)
    _draw_ground(brush, scene, place)
    if signs := SIGNS_BEHIND.get(scene.cue("signs")):
        signs(brush, sign)
    standing = Standing(scene.subject, scene.cue("posture"))
    standing.draw(brush)
    if signs := SIGNS_BEFORE.get(scene.cue("signs")):
        signs(brush, sign)
    if over := LIGHTS_OVER.get(scene.cue("light")):
        over(brush, source)
    if signs := SIGNS_GLOWING.get(scene.cue("signs")):
        signs(brush, sign)
    WEATHERS[scene.cue("weather")](brush, weather)
    standing.shine_through(brush, SEEN_THROUGH)
    return finish(pixels[..., :3], scene.cue("palette"))


def _blank(size: int) -> tuple[NDArray[np.uint8], Brush]:
    pixels = np.zeros((size, size, 4), np.uint8)
    surface = skia.Surface(
        pixels, skia.ColorType.kRGBA_8888_ColorType, skia.AlphaType.kPremul_AlphaType
    )
    brush = Brush(surface.getCanvas())
    brush.canvas.scale(size / SIDE, size / SIDE)
    return pixels, brush


def subject_mask(scene: Scene, size: int) -> NDArray[np.float32]:
    """How much of each pixel the scene's subject covers, 0..1: [size, size]."""
    pixels, brush = _blank(size)
    Standing(scene.subject, scene.cue("posture")).shine_through(brush, 1.0)
    return pixels[..., 3].astype(np.float32) / np.float32(255)


def _draw_ground(brush: Brush, scene: Scene, rng: np.random.Generator) -> None:
    """The place on a layer of its own, so that the sky's tint falls on it alone."""
    brush.canvas.saveLayer(None, None)
    PLACES[scene.place](brush, rng)
    if tint := AMBIENT.get(scene.cue("sky")):
        paint = skia.Paint(BlendMode=skia.BlendMode.kModulate)
        paint.setColor(colour(tint))
        brush.canvas.drawPaint(paint)
    brush.canvas.restore()
