"""Draws scenes: `render(scene, size)`; places, subjects and cues are tables of small functions."""

from .picture import render

__all__ = ["render"]
