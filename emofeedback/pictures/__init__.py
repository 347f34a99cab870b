"""Charts, sheets and frames: what people are shown."""
