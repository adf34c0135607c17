import pytest

from greenroom.actors.model.entity import BadEntity
from greenroom.actors.model.errors import ActorError, InvalidCommand, Overloaded, Refused
from greenroom.supervisors.correspondence.refusals import KINDS, error_of, rejected
from greenroom.supervisors.correspondence.wire import Rejected, decode, encode
from greenroom.transports.client.errors import error_code, watch_error_code
from greenroom.transports.errors import error_headers, http_error_body


class Banned(Refused):
    def __init__(self) -> None:
        super().__init__("talk.banned", "since yesterday", status=403)

    def __str__(self) -> str:
        return "banned, in its own words"


class Odd(ActorError):
    name, status, temporary = "odd", 418, True

    def __init__(self, much: int) -> None:
        super().__init__(much)


class Unsaid(ActorError):
    def __str__(self) -> str:
        raise ZeroDivisionError


ERRORS: list[ActorError] = [
    *(cls("Expected `int` - at `$.a[0]`") for cls in KINDS.values() if cls is not Refused),
    InvalidCommand("Object missing required field `text`"),
    Refused("talk.busy", "later", status=429),
    Refused("talk.no"),
    Refused("talk.gone", status=410),
    Banned(),
    Odd(3),
    Unsaid(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_refusal_is_shown_as_on_its_own_node(error: ActorError) -> None:
    answer = decode(encode(rejected(7, error)))
    assert isinstance(answer, Rejected)
    found = error_of(answer)
    assert http_error_body(found) == http_error_body(error)
    assert (error_code(found), watch_error_code(found)) == (error_code(error), watch_error_code(error))
    assert error_headers(found) == error_headers(error)
    assert (found.name, found.status, found.temporary) == (error.name, error.status, error.temporary)
    assert getattr(found, "detail", None) == getattr(error, "detail", None)


def test_every_error_of_the_model_travels_as_itself() -> None:
    assert {Overloaded, BadEntity, Refused, InvalidCommand} < set(KINDS.values())
    for cls in KINDS.values():
        assert rejected(1, cls("x")).kind == cls.__name__


def test_an_error_of_a_newer_release_is_what_it_says() -> None:
    found = error_of(Rejected(1, "Newer", "newer", 409, False, "some text"))
    assert (type(found), found.name, found.status, str(found)) == (ActorError, "newer", 409, "some text")
