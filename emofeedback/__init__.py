"""The library behind the nodes and the training package: emotion in, emotion out, and the loop."""
