"""What journals and dead letters of queues and schedules show of the arguments of jobs."""

import json
from typing import Any

import pytest
from msgspec import Struct

from greenroom import Secret
from greenroom.actors.personal.redaction import shape_of
from greenroom.supervisors.admin.jobs.payloads import concealed

HIDDEN = "[redacted]"


class Cut(Struct):
    film: str
    licence: Secret[str] = ""


SHAPES = {"job.cut": shape_of(Cut)}
ARGUMENTS = {"film": "a", "licence": "L-1"}


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"job": "job.cut", "arguments": ARGUMENTS}, {"film": "a", "licence": HIDDEN}),
        ({"job": "job.other", "arguments": ARGUMENTS}, HIDDEN),
        ({"id": "0", "arguments": ARGUMENTS}, HIDDEN),
        ({"job": ["job.cut"], "arguments": ARGUMENTS}, HIDDEN),
    ],
)
@pytest.mark.parametrize("entity", ["queue:a", "schedule:a", "job:0"])
def test_arguments_are_shown_as_their_class_says_and_those_of_an_unknown_one_are_not(
    body: Any, shown: Any, entity: str
) -> None:
    deep = {"type": "x", "jobs": [{"spec": body}]}
    made = json.loads(concealed(entity, json.dumps(deep).encode(), SHAPES))
    assert made == {"type": "x", "jobs": [{"spec": body | {"arguments": shown}}]}


def test_others_are_shown_as_they_are_and_what_cannot_be_read_is_not_shown() -> None:
    body = json.dumps({"arguments": ARGUMENTS}).encode()
    assert concealed("room:a", body, SHAPES) is body
    assert concealed("queue:a", b"", SHAPES) == b""
    assert json.loads(concealed("queue:a", b"L-1\xff", SHAPES)) == HIDDEN
