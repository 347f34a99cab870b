"""A served model folder is the model: same readings, schemas held, and strangers are refused."""

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_lvlms import drawn_folder, random_qwen25

from emofeedback.commands.serve import ModelServer, open_server
from emofeedback.errors import ConfigError
from emofeedback.images import data_uri, to_png
from emofeedback.lvlm.base import Ask, unwatched
from emofeedback.lvlm.folder import load_folder
from emofeedback.lvlm.server import allowed
from emofeedback.lvlm.server.endpoint import NO_LOGPROBS, open_endpoint
from emofeedback.reading.scorer import LvlmScorer

GLOW = torch.linspace(0, 1, 64)[:, None, None].expand(64, 64, 3)
PICTURES = torch.stack([GLOW, 1 - GLOW.flip(0), GLOW * torch.tensor([1.0, 0.4, 0.1])])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    yield from served(drawn_folder(tmp_path_factory.mktemp("served") / "scorer"))


def served(folder: Path) -> Iterator[ModelServer]:
    server = open_server(load_folder(folder, dtype=torch.float32), 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def opened(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    host, port = server.server_address[:2]
    monkeypatch.setenv(allowed.ALLOWED_VARIABLE, f"{host!s}:{port}")
    return open_endpoint(server.url, server.model, retries=0)


def test_a_served_scorer_reads_and_explains_as_its_folder_does(
    drawn: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert drawn.model == "scorer@drawn_v1"
    endpoint = opened(drawn, monkeypatch)
    assert endpoint.prompts == drawn.lvlm.prompts
    ours = [reading.emotion for reading in LvlmScorer(endpoint).score(PICTURES)]
    theirs = [reading.emotion for reading in LvlmScorer(drawn.lvlm).score(PICTURES)]
    for one, other in zip(ours, theirs, strict=True):
        # by way of a JPEG, and arousal after the likeliest valence digit alone
        assert abs(one.valence - other.valence) < 0.15
        assert abs(one.arousal - other.arousal) < 0.5
    assert not any(
        NO_LOGPROBS in rating.warnings for rating in endpoint.rate(GLOW[None], None, unwatched)
    )
    assert LvlmScorer(endpoint).explain(PICTURES[2:])[0].cues


def test_answers_hold_to_a_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("llguidance")
    schema = {
        "type": "object",
        "properties": {"mood": {"enum": ["calm", "wild"]}},
        "required": ["mood"],
        "additionalProperties": False,
    }
    for server in served(random_qwen25(tmp_path / "random")):
        assert server.model == "random"
        asked = [
            Ask(GLOW, "How is it?", max_tokens=64, seed=seed, schema=schema) for seed in (1, 1)
        ]
        written = opened(server, monkeypatch).write(asked, unwatched)
        assert written[0].text == written[1].text and not written[0].warnings
        assert json.loads(written[0].text)["mood"] in ("calm", "wild")


def raw(server: ModelServer, body: Any, *, path: str = "/v1/chat/completions", **headers: str):
    connection = http.client.HTTPConnection(*server.server_address[:2])
    connection.request("POST", path, json.dumps(body), headers)
    reply = connection.getresponse()
    found = reply.status, json.loads(reply.read())
    connection.close()
    return found


def message(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


TEXT = {"type": "text", "text": "Well?"}
PIXEL = {"type": "image_url", "image_url": {"url": data_uri(to_png(torch.zeros(8, 8, 3)), "png")}}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "no JSON table"),
        ({"messages": []}, "messages is empty"),
        (message(TEXT) | {"stream": True}, "ask for one whole answer"),
        (message(TEXT) | {"max_tokens": 0, "max_completion_tokens": -1}, "max_tokens is -1"),
        (message(TEXT) | {"top_logprobs": 99}, "top_logprobs is 99"),
        (message(TEXT, PIXEL, PIXEL), "has 2 pictures"),
        (message({"type": "image_url", "image_url": {"url": "http://a/b.png"}}), "no data:image"),
        (message({"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}),
         "picture"),
        (message({"type": "audio"}), "'audio' is not served"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused_with_a_reason(
    drawn: ModelServer, body: Any, said: str
) -> None:
    status, content = raw(drawn, body)
    assert status == 400 and said in content["error"]["message"]


def test_a_page_elsewhere_cannot_use_the_server(drawn: ModelServer) -> None:
    assert raw(drawn, message(TEXT), Host="evil.example")[0] == 403
    assert raw(drawn, message(TEXT), path="/v1/embeddings")[0] == 404
    with pytest.raises(ConfigError, match="cannot be served"):
        open_server(drawn.lvlm, drawn.server_address[1])
