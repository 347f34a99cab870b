"""A workflow of a real family as the embedded models can run it, for its thumbnail.

The graph keeps its shape: only what loads models, and what suits their size, is exchanged. The
pictures are drawn ones, of a prompt that the drawn world knows.
"""

from __future__ import annotations

import copy
from typing import Any

Graph = dict[str, dict[str, Any]]

EMBEDDED = "EmoFB_LoadEmbedded"
# loader -> for each of its outputs, that of Load Embedded (MODEL, CLIP, VAE, scorer)
LOADERS = {
    "CheckpointLoaderSimple": (0, 1, 2),
    "UNETLoader": (0,),
    "TripleCLIPLoader": (1,),
    "DualCLIPLoader": (1,),
    "CLIPLoader": (1,),
    "UnetLoaderGGUF": (0,),
    "DualCLIPLoaderGGUF": (1,),
    "VAELoader": (2,),
    "EmoFB_LoadEmotionScorer": (3,),
}
# nodes that belong to a family: their output is their own input
FAMILY_ONLY = {
    "ModelSamplingAuraFlow": "model",
    "CFGNorm": "model",
    "FluxGuidance": "conditioning",
}
EDITOR_TEXT = "TextEncodeQwenImageEdit"
SHOWN = "a house in the forest"
REPAINTED = 0.8  # denoise of image-to-image in the place of an editor, which starts from noise
SETTINGS: dict[str, dict[str, Any]] = {
    "KSampler": {"steps": 20, "cfg": 3, "sampler_name": "euler", "scheduler": "simple"},
    "EmoFB_EmotionSampler": {"cfg": 3, "sampler_name": "euler", "scheduler": "simple"},
    "EmptySD3LatentImage": {"width": 256, "height": 256},
    "EmptyLatentImage": {"width": 256, "height": 256},
    "EmoFB_StartLoop": {"prompt": "a tree in the meadow", "content_floor": 0.0},
    "EmoFB_EncodeEmotion": {"prompt": "a car in the city"},
    "EmoFB_EncodeAnchors": {"prompt": SHOWN},
    "EmoFB_ScoreEmotion": {"prompt": SHOWN},
    "ImageScaleToTotalPixels": {"megapixels": 0.0625},
}


def drawn_twin(graph: Graph) -> Graph:
    """The graph with the embedded models in the place of the files it names."""
    drawn = copy.deepcopy(graph)
    for node_id, node in graph.items():
        kind = node["class_type"]
        if kind in LOADERS:
            drawn[node_id] = {"class_type": EMBEDDED, "inputs": {}}
            for slot, embedded in enumerate(LOADERS[kind]):
                _relink(drawn, graph, [node_id, slot], [node_id, embedded])
        elif kind in FAMILY_ONLY:
            _relink(drawn, graph, [node_id, 0], drawn[node_id]["inputs"][FAMILY_ONLY[kind]])
            del drawn[node_id]
        elif kind == EDITOR_TEXT:
            inputs = drawn[node_id]["inputs"]
            plain = {"clip": inputs["clip"], "text": inputs["prompt"]}
            drawn[node_id] = {"class_type": "CLIPTextEncode", "inputs": plain}
        elif kind == "LoadImage":
            _draw_picture(drawn, node_id)
            _relink(drawn, graph, [node_id, 1], ["904", 0])
    for node in drawn.values():
        own = SETTINGS.get(node["class_type"], {})
        node["inputs"] |= {name: v for name, v in own.items() if _is_widget(node, name)}
    kinds = {node["class_type"] for node in graph.values()}
    for node_id, node in graph.items():
        if node["class_type"] == "KSampler" and EDITOR_TEXT in kinds:
            drawn[node_id]["inputs"]["denoise"] = REPAINTED
        elif node["class_type"] == "EmoFB_StartLoop" and "LoadImage" in kinds:
            drawn[node_id]["inputs"]["prompt"] = SHOWN
    return drawn


def _is_widget(node: dict[str, Any], name: str) -> bool:
    return name in node["inputs"] and not isinstance(node["inputs"][name], list)


def _relink(drawn: Graph, graph: Graph, old: list[Any], new: list[Any]) -> None:
    """Leads every link of the original graph from one output to another."""
    for node_id, node in graph.items():
        for name, value in node["inputs"].items():
            if value == old and node_id in drawn and name in drawn[node_id]["inputs"]:
                drawn[node_id]["inputs"][name] = new


def _draw_picture(drawn: Graph, node_id: str) -> None:
    """A drawn picture, calm and neutral, in the place of one from the input folder."""
    drawn["900"] = {"class_type": EMBEDDED, "inputs": {}}
    drawn["901"] = {
        "class_type": "CLIPTextEncode",
        "inputs": {"clip": ["900", 1], "text": SHOWN},
    }
    drawn["902"] = {
        "class_type": "EmptySD3LatentImage",
        "inputs": {"width": 256, "height": 256, "batch_size": 1},
    }
    drawn["903"] = {
        "class_type": "KSampler",
        "inputs": {
            "model": ["900", 0],
            "positive": ["901", 0],
            "negative": ["901", 0],
            "latent_image": ["902", 0],
            "seed": 3,
            "steps": 20,
            "cfg": 1,
            "sampler_name": "euler",
            "scheduler": "simple",
            "denoise": 1,
        },
    }
    drawn[node_id] = {"class_type": "VAEDecode", "inputs": {
        "samples": ["903", 0], "vae": ["900", 2]}}  # fmt: skip
    whole = {"width": 256, "height": 256, "value": 1.0}
    drawn["904"] = {"class_type": "SolidMask", "inputs": whole}
