"""What differs between model families, in one table: conventions of prediction, time and names."""

from __future__ import annotations

from dataclasses import dataclass

SAMPLED = ("clip", "guard", "nft", "awm", "dppo")
"""Losses that learn from finished pictures, whatever decoded them."""
ANY = (*SAMPLED, "pathwise")
SD3_ATTENTION = (
    "attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0",
    "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out",
)  # fmt: skip
"""Joint attention, both streams."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One family of diffusers pipelines."""

    name: str
    """Written into checkpoints as base family."""
    pipelines: tuple[str, ...]
    """Classes named in a folder's model_index.json."""
    prediction: str = "velocity"
    """What the network gives: "velocity" (noise - clean), "minus velocity" or "noise"."""
    time: str = "sigma * 1000"
    """What the network is told of the noise level: "sigma", "sigma * 1000", "1 - sigma" or
    "timestep" of a table of 1000."""
    guidance: str = "plain"
    """"plain": plain + g * (wanted - plain); "renormalised": the same, as long as `wanted` in every
    token; "from wanted": wanted + g * (wanted - plain)."""
    latents: str = "scaled"
    """How the autoencoder's latents are normalised: "scaled" (factor and shift), "by channel"
    (mean and deviation), or "batch norm"."""
    shift: str = "linear"
    """See `schedules.shift_exponent`."""
    spaced: bool = True
    """See `schedules.own_sigmas`."""
    lora_style: str = "diffusers"
    """See `lora_names.STYLES`."""
    pooled: bool = True
    """Whether a pooled embedding conditions the network."""
    losses: tuple[str, ...] = SAMPLED
    lora_targets: tuple[str, ...] = SD3_ATTENTION
    """Endings of the module names that get a LoRA."""


_PLAIN_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
_TWO_ATTENTIONS = tuple(
    f"{kind}.{name}" for kind in ("attn1", "attn2") for name in _PLAIN_ATTENTION
)

FAMILIES = {
    facts.name: facts
    for facts in (
        Facts(name="sd3.5", pipelines=("StableDiffusion3Pipeline",), spaced=False),
        Facts(name="flux", pipelines=("FluxPipeline",), time="sigma"),
        Facts(
            name="flux2", pipelines=("Flux2KleinPipeline", "Flux2Pipeline"), time="sigma",
            latents="batch norm", shift="empirical", pooled=False,
            lora_targets=(*SD3_ATTENTION, "attn.to_qkv_mlp_proj"),
        ),
        Facts(
            name="qwen-image", pipelines=("QwenImagePipeline",), time="sigma",
            guidance="renormalised", latents="by channel", pooled=False,
        ),
        Facts(
            name="z-image", pipelines=("ZImagePipeline",), prediction="minus velocity",
            time="1 - sigma", guidance="from wanted", pooled=False,
            lora_targets=tuple(f"attention.{name}" for name in _PLAIN_ATTENTION),
        ),
        Facts(
            name="sana", pipelines=("SanaPipeline",), shift="none", spaced=False, pooled=False,
            lora_targets=_TWO_ATTENTIONS,
        ),
        Facts(
            name="sdxl", pipelines=("StableDiffusionXLPipeline",), prediction="noise",
            time="timestep", lora_style="kohya", losses=("clip",),
            lora_targets=_TWO_ATTENTIONS,
        ),
    )
}  # fmt: skip
