"""Commands of `python -m emofeedback`."""
