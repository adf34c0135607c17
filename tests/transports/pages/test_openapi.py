"""OpenAPI says what is taken, and promises no more."""

import re
from typing import Any

from greenroom.actors.model.kinds import Kinds
from greenroom.transports.pages import Bounds
from greenroom.transports.pages.openapi import openapi
from tests.transports.pages.counter import Counter, resolve


def test_openapi_says_what_the_decoder_takes() -> None:
    document: Any = openapi(Kinds([Counter]), BOUNDS, version="1.2.3")
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"] == "1.2.3"
    assert set(document["paths"]) >= {
        "/api/counter/{key}/add",
        "/api/counter/{key}/wave",
        "/api/counter/{key}",
        "/api/counter/{key}/history",
        "/events",
        "/health",
    }
    post = document["paths"]["/api/counter/{key}/add"]["post"]
    assert post["summary"] == "Add to the counter."
    schema = resolve(document, post["requestBody"]["content"]["application/json"]["schema"])
    assert schema["required"] == ["amount"]
    assert set(schema["properties"]) == {"amount", "note", "idempotency_key"}  # the path says which command it is
    reply = resolve(document, post["responses"]["200"]["content"]["application/json"]["schema"])
    assert reply["properties"] == {"total": {"type": "integer"}}


def test_openapi_promises_no_more_than_is_taken() -> None:
    document: Any = openapi(Kinds([Counter]), BOUNDS, version="1.2.3")
    paths = document["paths"]
    add, wave = (paths[f"/api/counter/{{key}}/{name}"]["post"] for name in ("add", "wave"))
    assert (add["requestBody"]["required"], wave["requestBody"]["required"]) == (True, False)
    empty = wave["responses"]["200"]["content"]["application/json"]["schema"]
    assert empty == {"type": "object", "maxProperties": 0}
    timeout = named(add["parameters"], "X-Request-Timeout")["schema"]
    assert timeout == {"type": "number", "exclusiveMinimum": 0, "maximum": 60.0}
    (key,) = paths["/api/counter/{key}/add"]["parameters"]
    assert re.search(key["schema"]["pattern"], "ann+bö😀")
    for control in "\x00\n\x1f\x7f\x85\x9f":
        assert not re.search(key["schema"]["pattern"], f"a{control}b")
    history = paths["/api/counter/{key}/history"]["get"]["parameters"]
    assert named(history, "limit")["schema"]["maximum"] == 300
    since = named(history, "since")["schema"]
    assert since["type"] == "string"
    for taken in ("0", "17", "cfc1518d:17", "cfc1518d.1.1:17"):
        assert re.search(since["pattern"], taken)
    for refused in ("", "-1", "x", ":1", "1" * 17):
        assert not re.search(since["pattern"], refused)
    events = paths["/events"]["get"]["parameters"]
    channel = named(events, "channel")
    assert channel["required"]
    assert (channel["schema"]["minItems"], channel["schema"]["maxItems"]) == (1, 32)
    assert named(events, "as")["schema"]["enum"] == ["events", "view"]
    assert named(events, "since") and named(events, "Last-Event-ID")


BOUNDS = Bounds(deadline_max_s=60.0, history_max=300)


def named(parameters: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(one for one in parameters if one["name"] == name)
