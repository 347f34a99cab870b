"""The key of a server: from the environment or a key file, for that server alone.

A key is never read from a workflow, never sent to another server than the one it was given for,
and never in clear text to another machine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from ...errors import ConfigError
from .allowed import KEY_VARIABLE, ServerAddress, allowed_servers

FILE_VARIABLE = "EMOFEEDBACK_KEY_FILE"
NO_KEY = "none"
SHORTEST_SECRET = 4
"""A key of fewer characters would hide half of every message, and is no secret."""
_PAIR = re.compile(r"(\[[0-9a-f:]+\]|[\w.-]+):(\d{1,5})[ \t]*[= \t][ \t]*(\S+)", re.ASCII)
_KEY = re.compile(r"[\x21-\x7e]+", re.ASCII)


def api_key(address: ServerAddress, environment: Mapping[str, str] | None = None) -> str:
    """The key for a server; the local ones need none.

    The environment variable holds one key, or `host:port=key` for each server with commas between;
    the key file holds a line `host:port = key` for each. A lone key is for the one server that the
    allow-list names, or for this computer where it names none.

    Raises: ConfigError: a server elsewhere without a key, a key that no header can hold, or one
        that would travel in clear text.
    """
    environment = os.environ if environment is None else environment
    key = _key_for(address, environment)
    if key and not _KEY.fullmatch(key):
        raise ConfigError(f"The key for {address} holds spaces or other signs that no key has.")
    if key in ("", NO_KEY):
        if key or address.is_loopback:
            return NO_KEY
        raise ConfigError(
            f"There is no key for {address}: set the environment variable {KEY_VARIABLE} to it (or "
            f"to {address}=KEY where there are several servers, or to 'none' where the server "
            "wants no key) and start again. Keys are never read from a workflow."
        )
    if address.scheme == "http" and not address.is_loopback:
        raise ConfigError(
            f"The key for {address} would travel in clear text to another machine. Give its "
            f"https:// address, a tunnel to this computer, or set {KEY_VARIABLE}={address}=none if "
            "the server wants no key."
        )
    return key


def without_key(text: str, key: str) -> str:
    """A text in which the key does not show, whoever wrote it."""
    return text.replace(key, "(key)") if len(key) >= SHORTEST_SECRET and key != NO_KEY else text


def _key_for(address: ServerAddress, environment: Mapping[str, str]) -> str:
    given = environment.get(KEY_VARIABLE, "").strip()
    pairs = [_PAIR.fullmatch(part.strip()) for part in given.split(",")]
    named = {_place(pair): pair[3] for pair in pairs if pair}
    if given and len(named) < len(pairs) and named:
        raise ConfigError(f"{KEY_VARIABLE} holds an entry that is not host:port=key.")
    keys = _keys_of_file(environment.get(FILE_VARIABLE, "").strip()) | named
    place = (address.host, address.port)
    if place in keys or named or given in ("", NO_KEY):
        return keys.get(place, NO_KEY if given == NO_KEY else "")
    owners = {(entry.host, entry.port) for entry in allowed_servers(environment)}
    if place in owners and len(owners) > 1:
        raise ConfigError(
            f"{KEY_VARIABLE} holds one key for {len(owners)} servers, and a key is sent to one "
            f"server only. Write {address}=KEY, several with commas."
        )
    return given if owners == {place} or (address.is_loopback and not owners) else ""


def _keys_of_file(name: str) -> dict[tuple[str, int], str]:
    if not name:
        return {}
    try:
        lines = Path(name).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        told = f"{FILE_VARIABLE} names {name!r}, which cannot be read ({error})."
        raise ConfigError(told) from None
    found = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if line and not line.startswith("#"):
            pair = _PAIR.fullmatch(line)
            if pair is None:
                raise ConfigError(f"Line {number} of the key file {name} is not host:port = key.")
            found[_place(pair)] = pair[3]
    return found


def _place(pair: re.Match[str]) -> tuple[str, int]:
    return pair[1].strip("[]").lower(), int(pair[2])
