"""What training costs: seconds, FLOPs, memory, and how far gradients agree."""
