"""Notes inside picture files, written between their parts: pixels and all other metadata stay."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ImageError
from ..records.files import replacing

KEYWORD = b"emofeedback"
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_COMMENT, _SCAN = 0xFE, 0xDA
_ALONE = (0x01, *range(0xD0, 0xD8))  # JPEG markers without a length


def write_note(path: Path, note: Any) -> None:
    """Puts JSON values into a PNG (a text chunk "emofeedback") or a JPEG (a comment).

    An older note of ours gives way; the file is replaced whole or not at all.

    Raises: ImageError: another format, or a damaged file. OSError.
    """
    data, text = path.read_bytes(), json.dumps(note).encode("ascii")
    try:
        if data.startswith(_PNG):
            new = _in_png(data, text)
        elif data.startswith(_JPEG):
            new = _in_jpeg(data, text)
        else:
            raise ImageError(f"{path} is neither PNG nor JPEG; only those take a note.")
    except (struct.error, IndexError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{path} is damaged: its parts do not end where they say.") from error
    with replacing(path) as partial:
        partial.write_bytes(new)


def _in_png(data: bytes, text: bytes) -> bytes:
    parts = [_PNG]
    for kind, body, whole in _chunks(data):
        if kind == b"IEND":
            parts += [_chunk(b"tEXt", KEYWORD + b"\0" + text), data[whole.start :]]
            return b"".join(parts)
        if not (kind == b"tEXt" and body.startswith(KEYWORD + b"\0")):
            parts.append(data[whole])
    raise IndexError


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, slice]]:
    place = len(_PNG)
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            raise IndexError
        yield kind, data[place + 8 : end - 4], slice(place, end)
        place = end


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _in_jpeg(data: bytes, text: bytes) -> bytes:
    comment = KEYWORD + b" " + text
    if len(comment) > 0xFFFD:
        raise ImageError("The note is longer than a JPEG comment may be (64 kB).")
    ours = struct.pack(">BBH", 0xFF, _COMMENT, len(comment) + 2) + comment
    parts, place = [_JPEG], len(_JPEG)
    while True:
        if data[place] != 0xFF:
            raise IndexError
        marker = data[place + 1]
        if marker == _SCAN:
            return b"".join([*parts, ours, data[place:]])
        length = 0 if marker in (*_ALONE, 0xFF) else struct.unpack_from(">H", data, place + 2)[0]
        end = place + (1 if marker == 0xFF else 2) + length
        if not (marker == _COMMENT and data[place + 4 : end].startswith(KEYWORD + b" ")):
            parts.append(data[place:end])
        place = end
