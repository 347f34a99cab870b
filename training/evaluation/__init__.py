"""Systems side by side, by the judge."""
