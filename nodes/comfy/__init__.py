"""What the nodes need of ComfyUI: memory, sampling, the running graph, the page."""
