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
    NotHere,
    OutcomeUnknown,
    Overloaded,
    Refused,
    Unavailable,
    UnknownCommand,
    UnknownKind,
)
from greenroom.transports.client import codes
from greenroom.transports.client.codes import ErrorCode, said
from greenroom.transports.client.errors import error_code, refusal, watch_error_code
from greenroom.transports.errors import BadRequest, Unauthenticated, error_headers, http_error_body

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
        (NotHere(SECRET), 503, True, 503),
        (OutcomeUnknown(SECRET), 503, True, 503),
        (DeadlineExceeded(SECRET), 504, True, 504),
        (Refused("room.muted", "you are muted"), 403, False, 403),
        (Refused("room.slow_mode", status=429), 429, True, 429),
        (BadRequest("limit must be 1 to 300"), 400, False, 400),
        (Unauthenticated("a token is needed"), 401, False, 401),
    ],
)
def test_each_error_by_its_code_and_status_and_no_text_that_is_for_our_logs(
    error: Any, code: int, temporary: bool, status: int
) -> None:
    shown = error_code(error)
    assert (shown.code, shown.temporary) == (code, temporary)
    body = msgspec.json.decode(http_error_body(error))["error"]
    assert (error.status, body["code"]) == (status, status)
    assert body["name"]
    assert body["message"]
    assert "hunter2" not in shown.reply(1).decode() + str(body)
    headers = dict(error_headers(error))
    assert (b"Retry-After" in headers) is (status in (429, 503))
    assert (b"WWW-Authenticate" in headers) is (status == 401)


def test_who_asks_where_the_entity_is_not_hears_it_by_its_name() -> None:
    assert error_code(NotHere(SECRET)).message.partition(":")[0] == "not_owner"
    assert msgspec.json.decode(http_error_body(NotHere(SECRET)))["error"]["name"] == "not_owner"


def test_a_refusal_to_be_watched_is_permission_denied() -> None:
    assert watch_error_code(Refused("room.banned")).code == 103
    assert watch_error_code(Refused("session.signed_out", status=401)).code == 103
    assert watch_error_code(Refused("room.gone", status=404)).code == 404
    assert watch_error_code(Unavailable("x")).code == 100


def test_an_error_reply_is_json_whatever_its_text() -> None:
    reply = error_code(Refused("a", '"}\n\\')).reply(7)
    assert msgspec.json.decode(reply)["id"] == 7
    assert b"\n" not in reply


def test_each_way_of_ending_carries_a_code_and_is_raised_anew() -> None:
    for code in (codes.BAD_REQUEST, codes.BAD_COMMAND):
        one, other = refusal(code), refusal(code)
        assert one is not other
        assert one.code is other.code is code


def test_a_sentence_behind_a_code_leaves_the_rest_of_it_as_it_is() -> None:
    assert said(codes.TOO_MANY_REQUESTS, "why") == ErrorCode(111, "too many requests: why", temporary=True)
    assert said(codes.INVALID_TOKEN, "x" * 500).reason == "invalid token: " + "x" * 105
