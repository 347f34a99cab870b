"""Which servers may be asked: loopback on the usual ports, and what the machine's owner allows.

A workflow can come from anywhere, and so can the address in it. Without this check, opening one
would let a stranger make this computer call a router, a cloud's metadata service or a server of
theirs, with the artist's pictures. What else is allowed is therefore said outside of workflows, in
an environment variable, host and port exactly.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ...errors import ConfigError

ALLOWED_VARIABLE = "EMOFEEDBACK_ALLOWED_SERVERS"
KEY_VARIABLE = "EMOFEEDBACK_API_KEY"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
USUAL_PORTS = {
    8000: "vLLM, transformers serve",
    30000: "SGLang",
    11434: "Ollama",
    1234: "LM Studio",
    8080: "llama.cpp",
}
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A server that may be asked.

    Args:
        url: base of the API, "http://127.0.0.1:8000/v1".
        host, port: as allowed.
    """

    url: str
    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """This computer."""
        return self.host in LOOPBACK

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def allowed_address(url: str, environment: Mapping[str, str] | None = None) -> ServerAddress:
    """The address behind a URL, if it may be called.

    Args:
        url: from the node; `/v1` is added where no path is given.
        environment: default: the process's own.
    Raises: ConfigError: not a plain http(s) URL, or a server that nobody allowed.
    """
    environment = os.environ if environment is None else environment
    address = _parsed(url)
    if address.is_loopback and address.port in USUAL_PORTS:
        return address
    if (address.host, address.port) in _allowed(environment.get(ALLOWED_VARIABLE, "")):
        return address
    ports = ", ".join(f"{port} ({name})" for port, name in USUAL_PORTS.items())
    raise ConfigError(
        f"The server {address} may not be called: without your permission, only this computer's "
        f"ports {ports} are. If it is yours, set the environment variable "
        f"{ALLOWED_VARIABLE}={_written(address.host)}:{address.port} (several with commas) and "
        "start again."
    )


def api_key(address: ServerAddress, environment: Mapping[str, str] | None = None) -> str:
    """The key for a server; the local ones need none.

    Raises: ConfigError: a server elsewhere without a key in the environment.
    """
    environment = os.environ if environment is None else environment
    key = environment.get(KEY_VARIABLE, "").strip()
    if key or address.is_loopback:
        return key or "none"
    raise ConfigError(
        f"There is no key for {address}: set the environment variable {KEY_VARIABLE} (to 'none' "
        "where the server wants no key) and start again. Keys are never read from a workflow."
    )


def _parsed(url: str) -> ServerAddress:
    text = url.strip()
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise ConfigError(f"The server's URL is not one ({error}). {_EXAMPLE}") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            "The server's URL holds a user name or password, which a workflow would spread. Set "
            f"the environment variable {KEY_VARIABLE} instead."
        )
    if parts.scheme not in _DEFAULT_PORTS or not host or parts.query or parts.fragment:
        raise ConfigError(f"The server's URL is {text[:120]!r}. {_EXAMPLE}")
    port = _DEFAULT_PORTS[parts.scheme] if port is None else port
    path = parts.path.rstrip("/") or "/v1"
    return ServerAddress(f"{parts.scheme}://{_written(host)}:{port}{path}", host, port)


def _allowed(listed: str) -> set[tuple[str, int]]:
    """(host, port) of each entry.

    Raises: ConfigError: an entry is not host:port.
    """
    found = set()
    for entry in filter(None, (part.strip() for part in listed.split(","))):
        try:
            parts = urlsplit(f"//{entry}")
            if not parts.hostname or parts.port is None or parts.path:
                raise ValueError
        except ValueError:
            raise ConfigError(
                f"{ALLOWED_VARIABLE} holds {entry!r}, which is not host:port. Write for example "
                "gpu-box:8000."
            ) from None
        found.add((parts.hostname, parts.port))
    return found


def _written(host: str) -> str:
    return f"[{host}]" if ":" in host else host


_EXAMPLE = "Write for example http://127.0.0.1:8000/v1."
