"""Systems that turn a prompt and a feeling into pictures, tried on the same pairs and judged."""
