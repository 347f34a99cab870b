"""What makes the models that ship, and what measures them."""
