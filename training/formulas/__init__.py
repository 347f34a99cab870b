"""Dynamics, losses and advantages, as the papers write them: pure functions on tensors."""
