"""Jobs as they are typed: arguments line by line."""

from typing import Any

import pytest

from greenroom.supervisors.cli.jobs.jobs import ADDED_AT_ONCE, added, job_of, objects
from greenroom.supervisors.cli.terminal.plainly import Trouble


def test_arguments_come_line_by_line_and_what_is_none_is_named() -> None:
    assert list(objects("--lines", ['{"a": 1}', "", "{}"])) == [{"a": 1}, {}]
    with pytest.raises(Trouble, match="--lines line 2: must be a JSON object"):
        list(objects("--lines", ["{}", "[]"]))
    with pytest.raises(Trouble, match="JSON: must be a JSON object"):
        list(objects("JSON", ["{"]))


class Asked:
    def __init__(self, state: str, *, has_ended: bool = False) -> None:
        self._state = state
        self._has_ended = has_ended

    def view(self, kind: str, key: str) -> dict[str, Any]:
        return {"state": self._state, "queue": "mail"}

    def command(self, kind: str, key: str, name: str, fields: Any) -> dict[str, Any]:
        if name == "errors":
            return {"errors": ["one"]}
        if self._has_ended:
            raise Trouble("404 queue.no_such_job")
        return {"why": f"{kind}:{key}"}


@pytest.mark.parametrize(
    ("state", "has_ended", "why"),
    [("waiting", False, "queue:mail"), ("waiting", True, ""), ("active", False, ""), ("failed", False, "")],
)
def test_only_of_a_job_that_waits_it_is_asked_why(state: str, has_ended: bool, why: str) -> None:
    server: Any = Asked(state, has_ended=has_ended)
    assert job_of(server, "a" * 32) == ({"state": state, "queue": "mail", "errors": ["one"]}, why)


class Falters:
    """Takes one batch, and no more."""

    def __init__(self) -> None:
        self.batches = 0

    def command(self, kind: str, key: str, name: str, fields: Any) -> dict[str, Any]:
        self.batches += 1
        if self.batches > 1:
            raise Trouble("503 unavailable")
        return {"ids": [str(number) for number in range(len(fields["jobs"]))]}


def test_what_was_added_is_told_though_the_rest_fails() -> None:
    server: Any = Falters()
    told = added(server, "q", [{"job": "job.x"}] * (ADDED_AT_ONCE + 1))
    assert len(next(told)) == ADDED_AT_ONCE
    with pytest.raises(Trouble, match="503"):
        next(told)
