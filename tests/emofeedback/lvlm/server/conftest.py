"""A misbehaving server on loopback that may be called, with a key."""

from collections.abc import Iterator

import pytest
from fault_proxy import FaultProxy

KEY = "sk-secret-123"


@pytest.fixture
def proxy(monkeypatch) -> Iterator[FaultProxy]:
    made = FaultProxy()
    monkeypatch.setenv("EMOFEEDBACK_ALLOWED_SERVERS", f"127.0.0.1:{made.port}")
    monkeypatch.setenv("EMOFEEDBACK_API_KEY", KEY)
    yield made
    made.close()
