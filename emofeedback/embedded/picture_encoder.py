"""The picture tower of the embedded CLIP pair as an encoder for a head; any encoder by its line."""

from __future__ import annotations

from pathlib import Path

from ..reading.clip_vision import KIND, open_clip_vision
from ..reading.encoders import Encoder, file_digest, open_encoder
from ..reading.preprocessing import COLOURS, Preprocessing
from ..reading.vision_towers import Seeing, tower_features
from .clip import MODEL, load_clip
from .weights import weight_path

EMBEDDED = "embedded"


def open_any_encoder(spec: str) -> Encoder:
    """The encoder that one line names, of any kind. Raises: as `open_encoder`."""
    kind, _, where = spec.partition(":")
    if kind == KIND and where:
        return open_clip_vision(Path(where))
    return embedded_encoder() if spec == EMBEDDED else open_encoder(spec)


def embedded_encoder() -> Encoder:
    """The shipped one. Raises: CheckpointError: its file is missing or damaged."""
    model, _ = load_clip()
    side = int(model.config.vision_config.image_size)
    prepared = Preprocessing(side, side, *COLOURS["signed"])
    digest = file_digest([weight_path(f"{MODEL}/model.safetensors")])
    features = tower_features(Seeing(model.vision_model, prepared, model.visual_projection))
    return Encoder(EMBEDDED, MODEL, digest, {}, prepared, features)
