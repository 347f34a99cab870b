"""Tiny picture encoders of real kinds with random weights, and pictures with ratings for them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from emofeedback.embedded.picture_encoder import open_any_encoder
from emofeedback.reading.head_fit import fit_head
from emofeedback.reading.heads import save_head
from emofeedback.reading.preprocessing import probe

VISION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
TEXT = {**{k: v for k, v in VISION.items() if "size" not in k}, "hidden_size": 32,
        "intermediate_size": 48, "vocab_size": 64, "bos_token_id": 1, "eos_token_id": 2,
        "pad_token_id": 2}  # fmt: skip


def rated_folder(folder: Path, count: int = 20) -> Path:
    """Flat pictures with ratings.csv: bright ones pleasant, red ones exciting; two a theme."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    with (folder / "ratings.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "valence", "arousal", "theme"])
        for number in range(count):
            red, green = rng.random(2)
            pixels = np.full((32, 32, 3), [red, green, 0.5]) * 255
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
            table.writerow([f"{number}.png", 4 * green - 2, 4 * red - 2, f"t{number // 2}"])
    return folder


def vision_folder(folder: Path, kind: str) -> Path:
    """A transformers folder: "clip", "siglip" or "dinov2"."""
    import transformers

    torch.manual_seed(3)
    if kind == "dinov2":
        config: Any = transformers.Dinov2Config(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14
        )
        model: Any = transformers.Dinov2Model(config)
    elif kind == "siglip":
        config = transformers.SiglipConfig(text_config=TEXT, vision_config=VISION)
        model = transformers.SiglipModel(config)
    else:
        config = transformers.CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=16)
        model = transformers.CLIPModel(config)
    model.save_pretrained(folder)
    return folder


def head_on(spec: str, path: Path) -> Path:
    """A head that finds bright pictures pleasant, on one encoder."""
    encoder = open_any_encoder(spec)
    levels = torch.linspace(0.1, 0.9, 40)
    pictures = levels[:, None, None, None].expand(-1, 32, 32, 3)
    features = encoder.features(pictures).double().numpy()
    ratings = torch.stack([4 * levels - 2, 2 - 4 * levels], 1).double().numpy()
    themes = [str(number // 2) for number in range(40)]
    known = encoder.features(probe())[0].double().numpy()
    facts = {"encoders": [encoder.as_dict()]}
    save_head(fit_head([features], ratings, themes, features + 9, known, facts), path)
    return path


def onnx_network(path: Path) -> Path:
    """A network of eight pooled colour filters and a last linear layer, at any batch size."""
    rng = np.random.default_rng(5)
    weights = {
        "filters": rng.normal(size=(8, 3, 8, 8)),
        "matrix": rng.normal(size=(8, 4)),
    }
    strides = _text(1, "strides") + _number(20, 7) + _number(8, 8) + _number(8, 8)
    graph = b"".join(
        [
            _node("Conv", ["pixels", "filters"], "found", strides),
            _node("Relu", ["found"], "seen"),
            _node("GlobalAveragePool", ["seen"], "mean"),
            _node("Flatten", ["mean"], "flat"),
            _node("MatMul", ["flat", "matrix"], "logits"),
            _text(2, "tiny"),
            *(_part(5, _tensor(name, value)) for name, value in weights.items()),
            _part(11, _value("pixels", ["batch", 3, 32, 32])),
            _part(12, _value("logits", ["batch", 4])),
        ]
    )
    path.write_bytes(_number(1, 8) + _part(8, _number(2, 13)) + _part(7, graph))
    return path


def _node(kind: str, inputs: list[str], output: str, attribute: bytes = b"") -> bytes:
    told = b"".join(_text(1, name) for name in inputs) + _text(2, output) + _text(4, kind)
    return _part(1, told + (_part(5, attribute) if attribute else b""))


def _tensor(name: str, value: np.ndarray) -> bytes:
    sizes = b"".join(_number(1, size) for size in value.shape)
    return sizes + _number(2, 1) + _text(8, name) + _part(9, value.astype("<f4").tobytes())


def _value(name: str, sizes: list[int | str]) -> bytes:
    shape = b"".join(
        _part(1, _text(2, size) if isinstance(size, str) else _number(1, size)) for size in sizes
    )
    return _text(1, name) + _part(2, _part(1, _number(1, 1) + _part(2, shape)))


def _text(field: int, text: str) -> bytes:
    return _part(field, text.encode())


def _part(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])
