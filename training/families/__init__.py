"""What differs between model families: loading, words, velocity, decoding. See `base.Family`."""
