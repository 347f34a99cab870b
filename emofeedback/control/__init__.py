"""Steering a generator by valence and arousal: adapter, anchors, and their files."""
