"""Sockets, inputs and outputs that several nodes share."""
