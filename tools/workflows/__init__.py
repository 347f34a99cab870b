"""What goes with the workflows: API twins, thumbnails, screenshots."""
