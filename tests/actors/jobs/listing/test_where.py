"""What clients say which jobs they mean, as a filter; and places in a list, which are of one filter."""

import msgspec
import pytest

from greenroom.actors.jobs.listing.where import WORDS_MAX, Where, cursors_of
from greenroom.actors.views.cursor import BadCursor
from greenroom.store.jobs.filter import STATES, JobFilter


def test_all_that_is_said_is_in_the_filter() -> None:
    said = {
        "state": ["failed", "waiting"],
        "kind": "job.x",
        "key": "",
        "search": "Red  balloon",
        "id": ["a" * 32],
        "added_since_ms": 1,
        "added_until_ms": 2,
        "ended_since_ms": 3,
        "ended_until_ms": 4,
    }
    assert said.keys() == set(Where.__struct_fields__)
    assert msgspec.convert(said, Where).of("q") == JobFilter(
        "q", ("failed", "waiting"), "job.x", "", ("red", "balloon"), ("a" * 32,), 1, 2, 3, 4
    )
    assert Where().of() == JobFilter()


def test_every_state_can_be_asked_for() -> None:
    asked = msgspec.convert({"state": list(STATES)}, Where)
    assert set(asked.of().unfinished) | set(asked.of().ended) == set(STATES)


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": ["done"]},
        {"kind": "a\nb"},
        {"key": "a\0"},
        {"search": "\0"},
        {"search": " ".join(map(str, range(WORDS_MAX + 1)))},
        {"id": ["A" * 32]},
        {"added_since_ms": -1},
    ],
)
def test_what_no_job_could_have_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Where)


def test_a_place_is_of_one_filter() -> None:
    place = cursors_of(JobFilter("q")).encode(["a" * 32])
    assert cursors_of(JobFilter("q")).decode(place) == ("a" * 32,)
    with pytest.raises(BadCursor):
        cursors_of(JobFilter("q", ("failed",))).decode(place)
