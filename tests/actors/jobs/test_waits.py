"""What a job waits for, as one says it and as it is stored."""

from typing import Any

import msgspec
import pytest

from greenroom import Refused, WaitFor
from greenroom.actors.jobs.waits import WAITS_MAX, Awaited, Waits, waits_for

X, Y = "a" * 32, "b" * 32


def test_ids_may_be_given_bare_and_a_child_is_one_that_is_also_waited_for() -> None:
    waits = waits_for([X, WaitFor(Y, "ignore")], [Y], "", {X: "media"})
    assert waits == Waits([Awaited(X, "fail", False, "media"), Awaited(Y, "fail", True)])
    assert waits_for([], []) is None


@pytest.mark.parametrize(
    ("after", "when", "name"),
    [
        (["x"], "", "job.out_of_bounds"),
        ([5], "", "job.out_of_bounds"),
        ([X], "sometimes", "job.out_of_bounds"),
        ([WaitFor(X, "perhaps")], "", "job.out_of_bounds"),  # type: ignore[arg-type]
        ([], "success", "job.waits_for_nothing"),
    ],
)
def test_what_can_not_be_is_refused(after: list[Any], when: str, name: str) -> None:
    with pytest.raises(Refused) as caught:
        waits_for(after, [], when)
    assert caught.value.name == name


def test_it_is_stored_as_a_row_each() -> None:
    stored = msgspec.json.encode(Waits([Awaited(X)], "ended"))
    assert stored == b'{"jobs":[["%s","fail",false,"",false,0,""]],"when":"ended"}' % X.encode()
    assert msgspec.json.decode(b'{"jobs":[["%s"]]}' % X.encode(), type=Waits) == Waits([Awaited(X)])


@pytest.mark.bound("jobs that one job waits for")
def test_so_many_are_waited_for_and_no_more() -> None:
    ids = [f"{number:032x}" for number in range(WAITS_MAX + 1)]
    waits = waits_for(ids[1:], [])
    assert waits is not None and len(waits.jobs) == WAITS_MAX
    with pytest.raises(Refused, match="what it waits for"):
        waits_for(ids[1:], ids)
