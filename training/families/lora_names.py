"""How a LoRA's tensors are named in a file, so that the stock loaders of a family read them."""

from __future__ import annotations

STYLES = {
    "diffusers": ("transformer.{}", ".lora_A.weight", ".lora_B.weight"),
    "kohya": ("lora_unet_{}", ".lora_down.weight", ".lora_up.weight"),
}
"""Pattern of a module's name, and the endings of both halves. Of U-Nets ComfyUI and diffusers both
read the second style alone."""


def stored_name(name: str, style: str) -> str:
    """The key in a file of a parameter "MODULE.lora_A.ADAPTER.weight" of the network."""
    module, _, rest = name.rpartition(".lora_")
    pattern, down, up = STYLES[style]
    if style == "kohya":
        module = module.replace(".", "_")
    return pattern.format(module) + (down if rest.startswith("A") else up)
