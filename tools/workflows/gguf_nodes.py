"""A custom node file for ComfyUI: stand-ins for the loaders of the pack ComfyUI-GGUF.

The names, inputs and outputs that a workflow may count on; they load nothing.
"""

from __future__ import annotations

from typing import Any

import folder_paths

FLUX_FILES = ("clip_l.safetensors", "t5-v1_1-xxl-encoder-Q5_K_M.gguf")
TYPES = ("sdxl", "sd3", "flux", "hunyuan_video", "hidream")


def _files(folder: str, *named: str) -> tuple[list[str]]:
    found = folder_paths.get_filename_list(folder)
    return (sorted({*found, *named}),)


class UnetLoaderGGUF:
    """A diffusion model."""

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "load"
    CATEGORY = "bootleg"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802  ComfyUI asks so
        return {"required": {"unet_name": _files("diffusion_models", "flux1-dev-Q4_K_S.gguf")}}

    def load(self, **_: Any) -> tuple[Any]:
        """Raises: NotImplementedError."""
        raise NotImplementedError("This stands for a loader of ComfyUI-GGUF; install that pack.")


class DualCLIPLoaderGGUF(UnetLoaderGGUF):
    """Two text encoders."""

    RETURN_TYPES = ("CLIP",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802  ComfyUI asks so
        names = _files("text_encoders", *FLUX_FILES)
        return {"required": {"clip_name1": names, "clip_name2": names, "type": (TYPES,)}}


NODE_CLASS_MAPPINGS = {
    "UnetLoaderGGUF": UnetLoaderGGUF,
    "DualCLIPLoaderGGUF": DualCLIPLoaderGGUF,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "UnetLoaderGGUF": "Unet Loader (GGUF)",
    "DualCLIPLoaderGGUF": "DualCLIPLoader (GGUF)",
}
