"""A run: its folder, checkpoints, log and curve."""
