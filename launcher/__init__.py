"""Sets up, starts and stops what `start.py` needs. Standard library only until it runs in .venv."""
