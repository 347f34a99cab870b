"""Reinforcement learning of a generator: rollouts, updates, and what is watched."""
