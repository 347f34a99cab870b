"""The anchor nodes on a real server: three ways of wiring them to one picture."""

from tools.comfy_client import Comfy, Graph

STEPS = 2
SAMPLERS = ("10", "21", "34")
STEER = {
    "target": ["3", 0], "strength": 1.0, "start_percent": 0.0, "end_percent": 1.0,
    "mix": "predictions",
}  # fmt: skip
KSAMPLER = {
    "seed": 7, "steps": STEPS, "cfg": 3.0, "sampler_name": "euler", "scheduler": "simple",
    "positive": ["4", 0], "negative": ["5", 0], "latent_image": ["6", 0], "denoise": 1.0,
}  # fmt: skip


def three_ways() -> Graph:
    """Sampler, patch and guider, each to a picture of its own."""
    return {
        "1": {"class_type": "EmoFB_LoadEmbedded", "inputs": {}},
        "3": {"class_type": "EmoFB_EmotionTarget", "inputs": {
            "valence": -2.0, "arousal": 1.0, "preset": "custom"}},
        "4": {"class_type": "EmoFB_EncodeAnchors", "inputs": {
            "clip": ["1", 1], "prompt": "a boat on the sea", "count": "8", "texts": ""}},
        "5": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": ""}},
        "6": {"class_type": "EmptySD3LatentImage", "inputs": {
            "width": 64, "height": 64, "batch_size": 1}},
        "10": {"class_type": "EmoFB_EmotionSampler", "inputs": {
            "model": ["1", 0], **KSAMPLER, **STEER}},
        "20": {"class_type": "EmoFB_EmotionModelPatch", "inputs": {"model": ["1", 0], **STEER}},
        "21": {"class_type": "KSampler", "inputs": {"model": ["20", 0], **KSAMPLER}},
        "30": {"class_type": "EmoFB_EmotionGuider", "inputs": {
            "model": ["1", 0], "positive": ["4", 0], "negative": ["5", 0], "cfg": 3.0, **STEER}},
        "31": {"class_type": "RandomNoise", "inputs": {"noise_seed": 7}},
        "32": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
        "33": {"class_type": "BasicScheduler", "inputs": {
            "model": ["1", 0], "scheduler": "simple", "steps": STEPS, "denoise": 1.0}},
        "34": {"class_type": "SamplerCustomAdvanced", "inputs": {
            "noise": ["31", 0], "guider": ["30", 0], "sampler": ["32", 0], "sigmas": ["33", 0],
            "latent_image": ["6", 0]}},
        **{f"{node}5": {"class_type": "VAEDecode", "inputs": {
            "samples": [node, 0], "vae": ["1", 2]}} for node in SAMPLERS},
        **{f"{node}6": {"class_type": "PreviewImage", "inputs": {"images": [f"{node}5", 0]}}
            for node in SAMPLERS},
    }  # fmt: skip


def test_sampler_patch_and_guider_run_side_by_side(default_comfy: Comfy) -> None:
    run = default_comfy.run(three_ways())
    assert run.end == "execution_success", run.message
    assert all(run.outputs[f"{node}6"]["images"] for node in SAMPLERS)
    assert (STEPS, STEPS) in run.progress_of("10")


def test_a_forgotten_anchor_is_named_on_the_canvas(default_comfy: Comfy) -> None:
    graph = three_ways()
    graph["10"]["inputs"]["positive"] = ["5", 0]
    run = default_comfy.run(graph)
    assert run.end == "execution_error"
    assert "carries no anchors. Make it with Encode Anchors" in run.message
