"""Which servers may be asked: loopback on the usual ports, and what the machine's owner allows.

A workflow can come from anywhere, and so can the address in it. Without this check, opening one
would let a stranger make this computer call a router, a cloud's metadata service or a server of
theirs, with the artist's pictures. What else is allowed is therefore said outside of workflows, in
an environment variable: scheme, host and port exactly, and a query where the server wants one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

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
        query: goes with every request, as the owner allowed it: (("api-version", "..."),).
    """

    url: str
    host: str
    port: int
    query: tuple[tuple[str, str], ...] = ()

    @property
    def is_loopback(self) -> bool:
        """This computer."""
        return self.host in LOOPBACK

    @property
    def scheme(self) -> str:
        """ "http", in clear text, or "https"."""
        return self.url.partition("://")[0]

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class AllowedServer:
    """An entry of the allow-list.

    Args:
        scheme: "" for either; port 443 is never asked in clear text.
        host, port, query: as in `ServerAddress`.
    """

    scheme: str
    host: str
    port: int
    query: tuple[tuple[str, str], ...] = ()

    def fits(self, address: ServerAddress) -> bool:
        """Whether this entry allows an address."""
        scheme = "https" if not self.scheme and self.port == 443 else self.scheme
        place = (self.host, self.port) == (address.host, address.port)
        return place and scheme in ("", address.scheme)


def allowed_address(url: str, environment: Mapping[str, str] | None = None) -> ServerAddress:
    """The address behind a URL, if it may be called.

    Args:
        url: from the node; `/v1` is added where no path is given.
        environment: default: the process's own.
    Raises: ConfigError: not a plain http(s) URL, or a server that nobody allowed.
    """
    address = _parsed(url)
    for entry in allowed_servers(environment):
        if entry.fits(address):
            return replace(address, query=entry.query)
    if address.is_loopback and address.port in USUAL_PORTS:
        return address
    ports = ", ".join(f"{port} ({name})" for port, name in USUAL_PORTS.items())
    scheme = "https://" if address.scheme == "https" else ""
    raise ConfigError(
        f"The server {address} may not be called: without your permission, only this computer's "
        f"ports {ports} are. If it is yours, set the environment variable "
        f"{ALLOWED_VARIABLE}={scheme}{_written(address.host)}:{address.port} (several with "
        "commas) and start again."
    )


def usual_urls() -> dict[str, str]:
    """URLs of this computer's usual servers by their names."""
    return {name: f"http://{LOOPBACK[0]}:{port}/v1" for port, name in USUAL_PORTS.items()}


def allowed_servers(environment: Mapping[str, str] | None = None) -> list[AllowedServer]:
    """What the owner of this machine allows besides its usual ports.

    Raises: ConfigError: an entry is not [scheme://]host:port[?query].
    """
    environment = os.environ if environment is None else environment
    listed = environment.get(ALLOWED_VARIABLE, "").split(",")
    return [_entry(entry) for entry in filter(None, map(str.strip, listed))]


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
    if parts.query:
        raise ConfigError(
            f"The server's URL is {parts.scheme}://{parts.netloc}{parts.path} with a query. Name "
            f"the query in {ALLOWED_VARIABLE} instead, where no workflow spreads it: "
            "https://host:port?api-version=1."
        )
    if parts.scheme not in _DEFAULT_PORTS or not host or parts.fragment:
        raise ConfigError(f"The server's URL is {text[:120]!r}. {_EXAMPLE}")
    port = _DEFAULT_PORTS[parts.scheme] if port is None else port
    path = parts.path.rstrip("/") or "/v1"
    return ServerAddress(f"{parts.scheme}://{_written(host)}:{port}{path}", host, port)


def _entry(text: str) -> AllowedServer:
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
        if not parts.hostname or port is None or parts.path.strip("/") or parts.fragment:
            raise ValueError
        if parts.scheme not in ("", *_DEFAULT_PORTS) or "@" in parts.netloc:
            raise ValueError
        query = tuple(parse_qsl(parts.query, strict_parsing=True)) if parts.query else ()
    except ValueError:
        raise ConfigError(
            f"{ALLOWED_VARIABLE} holds {text.partition('?')[0]!r}, which is not host:port. Write "
            "for example gpu-box:8000, or https://host:443?api-version=1 for a server that wants "
            "a query."
        ) from None
    return AllowedServer(parts.scheme, parts.hostname.rstrip("."), port, query)


def _written(host: str) -> str:
    return f"[{host}]" if ":" in host else host


_EXAMPLE = "Write for example http://127.0.0.1:8000/v1."
