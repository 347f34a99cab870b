"""The house looked at from outside: who imports whom, how much there is, and its map."""
