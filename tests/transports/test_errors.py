from typing import Any

import msgspec
import pytest

from greenroom.actors.model.errors import InvalidCommand
from greenroom.actors.model.kinds import Kinds
from greenroom.transports.errors import BadRequest, TokenHasExpired, Unauthenticated, http_error_body
from tests.transports.world import Note


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"{}", {"text": "is required"}),
        (b'{"text":5}', {"text": "Expected `str`, got `int`"}),
        (b'{"text":"x","idempotency_key":5}', {"idempotency_key": "Expected `str | null`, got `int`"}),
        (b"[]", None),
        (b"{", None),
    ],
)
def test_wrong_fields_are_named(body: bytes, fields: Any) -> None:
    with pytest.raises(InvalidCommand) as caught:
        Kinds((Note,))["note"].command("say").decode(body)
    shown = msgspec.json.decode(http_error_body(caught.value))["error"]
    assert shown.get("fields") == fields
    assert shown["name"] == ("malformed" if body == b"{" else "invalid")


def test_fields_inside_others_are_named_by_their_path() -> None:
    inner = InvalidCommand("Object missing required field `x` - at `$.items[1]`")
    assert msgspec.json.decode(http_error_body(inner))["error"]["fields"] == {"items[1].x": "is required"}


@pytest.mark.parametrize("error", [Unauthenticated("no `sub`"), TokenHasExpired("no `sub`"), BadRequest("no `sub`")])
def test_what_names_the_clients_own_mistake_is_said(error: Any) -> None:
    assert msgspec.json.decode(http_error_body(error))["error"]["message"] == "no `sub`"
