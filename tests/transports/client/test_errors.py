from typing import Any

import msgspec
import pytest

from greenroom.actors.model.entity import BadEntity
from greenroom.actors.model.errors import (
    CallCycle,
    DeadlineExceeded,
    HandlerFailed,
    HandlerStuck,
    InvalidCommand,
    MalformedCommand,
    OutcomeUnknown,
    Overloaded,
    Refused,
    Unavailable,
    UnknownCommand,
    UnknownKind,
)
from greenroom.actors.model.kinds import Kinds
from greenroom.transports.auth.http_principal import Unauthenticated
from greenroom.transports.client.errors import BadRequest, client_error, error_headers, http_error_body, watch_error
from tests.transports.world import Note

SECRET = "host=10.0.0.1 password=hunter2"


@pytest.mark.parametrize(
    ("error", "code", "temporary", "status"),
    [
        (UnknownKind("x"), 102, False, 404),
        (UnknownCommand("x"), 104, False, 404),
        (InvalidCommand("x"), 107, False, 422),
        (MalformedCommand("x"), 107, False, 400),
        (BadEntity("x"), 107, False, 400),
        (Overloaded(SECRET), 111, True, 429),
        (Unavailable(SECRET), 100, True, 503),
        (HandlerFailed(SECRET), 100, True, 500),
        (HandlerStuck(SECRET), 100, True, 500),
        (CallCycle(SECRET), 100, True, 500),
        (OutcomeUnknown(SECRET), 503, True, 503),
        (DeadlineExceeded(SECRET), 504, True, 504),
        (Refused("room.muted", "you are muted"), 403, False, 403),
        (Refused("room.slow_mode", status=429), 429, True, 429),
        (BadRequest("limit must be 1 to 300"), 400, False, 400),
        (Unauthenticated(SECRET), 401, False, 401),
    ],
)
def test_each_error_by_its_code_and_status_and_no_text_that_is_for_our_logs(
    error: Any, code: int, temporary: bool, status: int
) -> None:
    shown = client_error(error)
    assert (shown.code, shown.temporary) == (code, temporary)
    body = msgspec.json.decode(http_error_body(error))["error"]
    assert (error.status, body["code"]) == (status, status)
    assert body["name"]
    assert body["message"]
    assert "hunter2" not in shown.reply(1).decode() + str(body)
    headers = dict(error_headers(error))
    assert (b"Retry-After" in headers) is (status in (429, 503))
    assert (b"WWW-Authenticate" in headers) is (status == 401)


def test_a_refusal_to_be_watched_is_permission_denied() -> None:
    assert watch_error(Refused("room.banned")).code == 103
    assert watch_error(Refused("session.signed_out", status=401)).code == 103
    assert watch_error(Refused("room.gone", status=404)).code == 404
    assert watch_error(Unavailable("x")).code == 100


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


def test_an_error_reply_is_json_whatever_its_text() -> None:
    reply = client_error(Refused("a", '"}\n\\')).reply(7)
    assert msgspec.json.decode(reply)["id"] == 7
    assert b"\n" not in reply
