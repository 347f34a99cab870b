"""Draws scenes: `render(scene, size)`; places, subjects and cues are tables of small functions."""

from .picture import render, subject_mask

__all__ = ["render", "subject_mask"]
