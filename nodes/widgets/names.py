"""Nodes whose names core uses too: what the page calls them, for schemas and messages alike."""

START_LOOP = "Start Emotion Loop"
END_LOOP = "End Emotion Loop"
LOAD_CHECKPOINT = "Load Emotion Checkpoint"
