"""What every chart shares: its themes, and the way from a matplotlib figure to an IMAGE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..records.limits import check_choice, check_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

LARGEST_SIDE = 8192
"""Most pixels of a side of what is drawn."""

# A chart is designed at this width and scaled as a whole, so that it reads the same at any size.
DESIGN_INCHES = 6.4


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a chart; the accents are from Okabe and Ito's colour-blind-safe set."""

    paper: str
    ink: str
    faint: str
    target: str = "#D55E00"
    path: str = "#0072B2"
    candidate: str = "#56B4E9"


THEMES = {
    "light": Theme(paper="#fbfaf7", ink="#22262b", faint="#b9bcc0"),
    "dark": Theme(paper="#1d2025", ink="#eceef0", faint="#5a6068", path="#56B4E9"),
}


def theme_named(name: str) -> Theme:
    """The theme of that name.

    Raises: ConfigError: there is none.
    """
    check_choice("The chart theme", name, THEMES)
    return THEMES[name]


def blank_figure(colours: Theme, *, size: int, aspect: float = 1.0) -> Figure:
    """An empty figure, `size` pixels wide and `aspect` times as high.

    Raises: ConfigError: a size that nobody can see or no computer hold.
    """
    check_number("size", size, 32, LARGEST_SIDE)
    # pyplot keeps global state and is not safe in a server's worker thread
    from matplotlib.figure import Figure

    return Figure(
        figsize=(DESIGN_INCHES, DESIGN_INCHES * aspect),
        dpi=(size + 0.01) / DESIGN_INCHES,  # matplotlib cuts 639.99 pixels down to 639
        facecolor=colours.paper,
    )


def style_axes(axes: Axes, colours: Theme) -> None:
    """Paper, ink and tick size of a chart's axes."""
    axes.set_facecolor(colours.paper)
    axes.tick_params(colors=colours.ink, labelsize=12)
    for spine in axes.spines.values():
        spine.set_color(colours.faint)


def canvas_of(figure: Figure) -> FigureCanvasAgg:
    """What draws the figure, and measures its texts."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    return FigureCanvasAgg(figure)


def picture_of(figure: Figure) -> Tensor:
    """The drawn figure, [1, H, W, 3] float32 in 0..1."""
    canvas = canvas_of(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return torch.from_numpy(pixels.astype(np.float32) / 255).unsqueeze(0)
