"""Draws one scene from back to front."""

import numpy as np
from numpy.typing import NDArray

from ..scene import Scene
from .brush import SIDE, Brush, colour, skia
from .grading import finish
from .lights import LIGHTS_BEHIND, LIGHTS_OVER, light_source
from .postures import draw_subject
from .signs import SIGNS_BEFORE, SIGNS_BEHIND, SIGNS_GLOWING
from .skies import AMBIENT, SKIES
from .streets import PLACES
from .weathers import WEATHERS


def render(scene: Scene, size: int = 256) -> NDArray[np.uint8]:
    """The picture of a scene, drawn natively at any size.

    Returns: uint8 [size, size, 3]; the same bytes for the same scene and size.
    """
    # One generator per layer: changing a cue leaves the layout of the others where it was.
    place, subject, sky, sign, weather, light = np.random.default_rng(scene.seed).spawn(6)
    pixels = np.zeros((size, size, 4), np.uint8)
    surface = skia.Surface(
        pixels, skia.ColorType.kRGBA_8888_ColorType, skia.AlphaType.kPremul_AlphaType
    )
    brush = Brush(surface.getCanvas())
    brush.canvas.scale(size / SIDE, size / SIDE)
    source = light_source(light, scene.cue("light"))
    SKIES[scene.cue("sky")](brush, sky)
    if behind := LIGHTS_BEHIND.get(scene.cue("light")):
        behind(brush, source)
    _draw_ground(brush, scene, place)
    if signs := SIGNS_BEHIND.get(scene.cue("signs")):
        signs(brush, sign)
    draw_subject(brush, subject, scene.subject, scene.cue("posture"))
    if signs := SIGNS_BEFORE.get(scene.cue("signs")):
        signs(brush, sign)
    if over := LIGHTS_OVER.get(scene.cue("light")):
        over(brush, source)
    if signs := SIGNS_GLOWING.get(scene.cue("signs")):
        signs(brush, sign)
    WEATHERS[scene.cue("weather")](brush, weather)
    return finish(pixels[..., :3], scene.cue("palette"))


def _draw_ground(brush: Brush, scene: Scene, rng: np.random.Generator) -> None:
    """The place on a layer of its own, so that the sky's tint falls on it alone."""
    brush.canvas.saveLayer(None, None)
    PLACES[scene.place](brush, rng)
    if tint := AMBIENT.get(scene.cue("sky")):
        paint = skia.Paint(BlendMode=skia.BlendMode.kModulate)
        paint.setColor(colour(tint))
        brush.canvas.drawPaint(paint)
    brush.canvas.restore()
