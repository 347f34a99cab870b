"""Training for EmoFeedback: reinforcement learning and the drawn world."""
