"""The picture tower of the embedded CLIP pair as an encoder for a head."""

from __future__ import annotations

from ..reading.encoders import Encoder, file_digest, open_encoder, tower_features
from ..reading.preprocessing import COLOURS, Preprocessing
from .clip import MODEL, load_clip
from .weights import weight_path

EMBEDDED = "embedded"


def open_any_encoder(spec: str) -> Encoder:
    """The encoder that one line names, the embedded one included. Raises: as `open_encoder`."""
    return embedded_encoder() if spec == EMBEDDED else open_encoder(spec)


def embedded_encoder() -> Encoder:
    """The shipped one. Raises: CheckpointError: its file is missing or damaged."""
    model, _ = load_clip()
    side = int(model.config.vision_config.image_size)
    prepared = Preprocessing(side, side, *COLOURS["signed"])
    digest = file_digest([weight_path(f"{MODEL}/model.safetensors")])
    features = tower_features(model.vision_model, prepared, None, model.visual_projection)
    return Encoder(EMBEDDED, MODEL, digest, {}, prepared, features)
