"""Reinforcement learning of a scorer: a vision-language model by GRPO."""
