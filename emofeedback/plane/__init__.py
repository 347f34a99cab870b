"""The valence-arousal plane: words on it, paths over it, distances on it."""
