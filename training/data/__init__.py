"""Prompts and targets that training and evaluation ask for."""
