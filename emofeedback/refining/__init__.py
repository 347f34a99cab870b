"""From readings to the next prompt: cues, evidence, and who writes."""
