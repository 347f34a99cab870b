"""Attacks on what reads numbers out of a model's words, generated from seeds."""
