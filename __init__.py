"""ComfyUI's door to EmoFeedback: pictures with a wanted emotion."""

# A test runner may import this file outside of any package, where there is nothing to offer.
if __package__:
    from .nodes import comfy_entrypoint

    WEB_DIRECTORY = "./web"

    __all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
