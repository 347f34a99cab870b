"""The feedback loop: pure steps, the driver, and what is told of a run."""
