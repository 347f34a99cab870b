"""Where vision-language models run: a transformers folder here, or a server elsewhere."""
