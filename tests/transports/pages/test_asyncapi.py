"""AsyncAPI tells publications from commands."""

import re
from typing import Any

from greenroom.actors.model.kinds import Kinds
from greenroom.transports.pages.asyncapi import asyncapi
from tests.transports.pages.counter import Counter, resolve


def test_asyncapi_tells_publications_from_commands_of_the_same_name() -> None:
    document: Any = asyncapi(Kinds([Counter]), version="1.2.3")
    assert document["asyncapi"] == "3.0.0"
    assert document["channels"]["counter"]["address"] == "counter:{key}"
    messages = document["components"]["messages"]
    assert set(messages) == {
        "counter.added",
        "counter.wave",
        "counter.wave-command",
        "counter.wave-reply",
        "counter.add-command",
        "counter.add-reply",
    }
    assert all(re.fullmatch(r"[\w.-]+", name) for name in messages)  # what AsyncAPI allows in a key
    published = resolve(document, messages["counter.wave"]["payload"])
    assert published["properties"]["type"] == {"enum": ["counter.wave"]}
    assert set(published["required"]) == {"type", "user"}
    assert "type" not in resolve(document, messages["counter.wave-command"]["payload"])["properties"]
    assert document["operations"]["counter.watch"]["action"] == "send"
    assert document["operations"]["counter.add"]["action"] == "receive"
