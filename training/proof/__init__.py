"""Does the loop pay? Systems at equal numbers of pictures."""
