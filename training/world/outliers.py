"""Pictures that are certainly not of the drawn world, made by code: what photographs are like.

The foreign-picture detector must not have seen a photograph, so its counter-examples are synthetic:
dead leaves (occluding shapes whose sizes follow a power law, which have the statistics of natural
images: Lee, Mumford & Huang 2001), landscapes of fractal noise, plain fractal noise, and drawn
pictures torn from their order.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Picture = np.ndarray  # float32 [S, S, 3] in 0..1


def outlier(random: np.random.Generator, drawn: Picture) -> Picture:
    """One random outlier of the drawn picture's size; a third are the drawn picture torn up."""
    kinds: tuple[Callable[[np.random.Generator, Picture], Picture], ...] = (
        _dead_leaves,
        _dead_leaves,
        _landscape,
        _landscape,
        _still_life,
        _fractal,
        _torn,
        _torn,
        _torn,
    )
    picture = kinds[random.integers(len(kinds))](random, drawn)
    return _developed(picture, random)


def fractal_noise(size: int, random: np.random.Generator, slope: float) -> np.ndarray:
    """Noise [S, S] with power falling as frequency^-slope; mean 0, deviation 1."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    frequency[0, 0] = 1
    spectrum = np.fft.fft2(random.standard_normal((size, size))) * frequency ** (-slope / 2)
    spectrum[0, 0] = 0
    noise = np.fft.ifft2(spectrum).real
    return np.asarray((noise / (noise.std() + 1e-9)).astype(np.float32))


def _palette(random: np.random.Generator) -> Callable[[], tuple[float, float, float]]:
    """Colours around one or two hues, mostly dull, as in photographs; sometimes vivid or grey."""
    hues = random.random(2)
    dullness = random.choice([0.15, 0.4, 0.7, 1.0])

    def colour() -> tuple[float, float, float]:
        hue = (random.choice(hues) + random.normal(0, 0.06)) % 1
        saturation = dullness * random.random()
        return colorsys.hsv_to_rgb(hue, saturation, float(random.beta(1.5, 1.5)))

    return colour


def _dead_leaves(random: np.random.Generator, drawn: Picture) -> Picture:
    size, colour = len(drawn), _palette(random)
    canvas = Image.new("RGB", (2 * size, 2 * size), _bytes(colour()))
    draw = ImageDraw.Draw(canvas)
    smallest = float(random.uniform(0.01, 0.08))
    for _ in range(int(random.integers(20, 400))):
        # radii with density r^-3 between the smallest and 0.6 of the side
        share = random.random()
        radius = 2 * size / np.sqrt(share / smallest**2 + (1 - share) / 0.36)
        _leaf(draw, random, random.random(2) * 2 * size, radius, _bytes(colour()))
    return _textured(np.asarray(canvas.resize((size, size), Image.Resampling.BOX)) / 255, random)


def _leaf(
    draw: ImageDraw.ImageDraw,
    random: np.random.Generator,
    centre: np.ndarray,
    radius: float,
    fill: tuple[int, int, int],
) -> None:
    count = int(random.choice([3, 4, 5, 8, 24]))
    angles = np.sort(random.random(count)) * 2 * np.pi if count < 8 else np.linspace(0, 6.28, count)
    stretch = np.exp(random.normal(0, 0.35, 2)) * radius
    points = centre + stretch * np.stack([np.cos(angles), np.sin(angles)], 1)
    draw.polygon([(float(x), float(y)) for x, y in points], fill=fill)


def _landscape(random: np.random.Generator, drawn: Picture) -> Picture:
    """Layers of noise behind a wavy horizon: no outlines, no subject in the middle."""
    size, colour = len(drawn), _palette(random)
    height = np.linspace(0, 1, size, dtype=np.float32)[:, None]
    picture = _shaded(colour, height, random, size, 3.0, 0.15)
    for horizon in np.sort(random.uniform(0.1, 0.95, int(random.integers(1, 4)))):
        edge = horizon + 0.08 * random.random() * fractal_noise(size, random, 2.5)[:1]
        layer = _shaded(colour, height, random, size, float(random.uniform(0.8, 2.6)), 0.5)
        picture = np.where((height > edge)[..., None], layer, picture)
    return picture


def _shaded(
    colour: Callable[[], tuple[float, float, float]],
    height: np.ndarray,
    random: np.random.Generator,
    size: int,
    slope: float,
    contrast: float,
) -> Picture:
    top, bottom = np.array(colour()), np.array(colour())
    base = top + (bottom - top) * height[..., None]
    noise = fractal_noise(size, random, slope)[..., None] * contrast * random.uniform(0.1, 0.6)
    return np.asarray((base * (1 + noise)).astype(np.float32) * np.ones((1, size, 1), np.float32))


def _still_life(random: np.random.Generator, drawn: Picture) -> Picture:
    """A few large shaded bodies before a soft background: portraits, objects, animals."""
    size, colour = len(drawn), _palette(random)
    ys, xs = np.mgrid[0:size, 0:size].astype(np.float32) / size
    picture = _shaded(colour, ys[:, :1], random, size, 3.0, 0.3)
    for _ in range(int(random.integers(1, 7))):
        (cx, cy), (rx, ry) = random.uniform(0.1, 0.9, 2), random.uniform(0.06, 0.5, 2)
        bend = 0.25 * fractal_noise(size, random, 3.0)
        inside = 1 - np.hypot((xs - cx) / rx, (ys - cy) / ry) - bend * random.random()
        mask = np.clip(inside * random.uniform(4, 40), 0, 1)[..., None]
        light = 0.5 + 0.8 * np.clip(inside, 0, 1) + 0.4 * (xs - cx) / rx * random.normal()
        grain = 1 + 0.3 * random.random() * fractal_noise(size, random, 1.5)
        body = np.array(colour(), np.float32) * (light * grain)[..., None]
        picture = picture * (1 - mask) + body * mask
    return picture


def _fractal(random: np.random.Generator, drawn: Picture) -> Picture:
    size, slope = len(drawn), float(random.uniform(0.5, 3.2))
    shared = fractal_noise(size, random, slope)[..., None]
    own = np.stack([fractal_noise(size, random, slope) for _ in range(3)], -1)
    share = random.beta(2, 1)
    base = random.uniform(0.2, 0.8, 3)
    return base + random.uniform(0.05, 0.35) * (share * shared + (1 - share) * own)


def _torn(random: np.random.Generator, drawn: Picture) -> Picture:
    """The drawn picture shuffled, turned, zoomed far into, or with scrambled phases."""
    size, kind = len(drawn), int(random.integers(4))
    if kind == 0:
        cells = int(random.choice([2, 4]))
        side = size // cells
        tiles = drawn.reshape(cells, side, cells, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
        tiles = tiles[random.permutation(len(tiles))].reshape(cells, cells, side, side, 3)
        return tiles.swapaxes(1, 2).reshape(size, size, 3)
    if kind == 1:
        return np.rot90(drawn, int(random.integers(1, 4))).copy()
    if kind == 2:
        side = int(size * random.uniform(0.15, 0.4))
        y, x = random.integers(0, size - side, 2)
        part = Image.fromarray((drawn[y : y + side, x : x + side] * 255).astype(np.uint8))
        return np.asarray(part.resize((size, size), Image.Resampling.BICUBIC)) / 255
    spectrum = np.fft.fft2(drawn, axes=(0, 1))
    phases = np.fft.fft2(random.standard_normal((size, size)))
    turned = spectrum * (phases / (np.abs(phases) + 1e-9))[..., None]
    scrambled = np.fft.ifft2(turned, axes=(0, 1)).real
    return np.asarray(scrambled - scrambled.mean((0, 1)) + drawn.mean((0, 1)))


def _textured(picture: np.ndarray, random: np.random.Generator) -> Picture:
    size = len(picture)
    grain = fractal_noise(size, random, float(random.uniform(0.5, 2.5)))[..., None]
    light = fractal_noise(size, random, 4.0)[..., None]
    return picture * (1 + 0.25 * random.random() * grain + 0.3 * random.random() * light)


def _developed(picture: np.ndarray, random: np.random.Generator) -> Picture:
    """A lens's softness, exposure and sensor noise."""
    picture = np.clip(picture, 0, 1).astype(np.float32)
    if random.random() < 0.5:
        soft = Image.fromarray((picture * 255).astype(np.uint8)).filter(
            ImageFilter.GaussianBlur(float(random.uniform(0.2, 1.5)))
        )
        picture = np.asarray(soft, np.float32) / 255
    picture = picture ** float(np.exp(random.normal(0, 0.35)))
    noise = float(random.uniform(0, 0.03)) * random.standard_normal(picture.shape)
    return np.clip(picture + noise, 0, 1).astype(np.float32)


def _bytes(colour: tuple[float, float, float]) -> tuple[int, int, int]:
    return (round(colour[0] * 255), round(colour[1] * 255), round(colour[2] * 255))
