"""What a run can be told, and what is checked before it starts."""
