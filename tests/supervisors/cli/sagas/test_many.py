"""One thing done about many sagas: what came of each is known, whatever came of the rest."""

from typing import Any

import pytest

from greenroom.supervisors.cli.sagas.many import LOST_MAX, Outcome, is_left_out, key_of, refused_in, steer
from greenroom.supervisors.cli.sagas.server import Refusal
from greenroom.supervisors.cli.terminal.plainly import Trouble


class Flaky:
    """A server that has this for each: an answer, or an error."""

    def __init__(self, answers: list[Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    def view(self, saga: str) -> dict[str, Any]:
        return self.command(saga, "view", {}, "")

    def command(self, saga: str, name: str, fields: dict[str, Any], key: str) -> dict[str, Any]:
        self.asked.append((saga, name))
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return {"status": found}


def told(server: Flaky, names: str, *, dry_run: bool = False) -> list[Outcome]:
    outcomes: list[Outcome] = []
    steer(server, names, "resume", {}, dry_run=dry_run, tell=outcomes.append)
    return outcomes


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_lost_connection_is_the_error_of_one_and_the_rest_are_done(dry_run: bool) -> None:
    server = Flaky(["running", Trouble("gone"), Refusal(409, "saga.no", ""), "running"])
    assert told(server, "abcd", dry_run=dry_run) == [
        {"saga": "a", "status": "running"},
        {"saga": "b", "error": "gone"},
        {"saga": "c", "error": "saga.no"},
        {"saga": "d", "status": "running"},
    ]


def test_a_server_that_is_gone_is_not_asked_for_each() -> None:
    server = Flaky(["running", *[Trouble("gone")] * LOST_MAX])
    names = "abcdefgh"
    outcomes = told(server, names)
    assert len(server.asked) == 1 + LOST_MAX
    assert [one["saga"] for one in outcomes] == list(names)
    assert {one["error"] for one in outcomes[1 + LOST_MAX :]} == {"not told: gone"}


def test_a_fork_that_is_said_again_is_the_same_fork() -> None:
    fields = {"from_step": "pay", "key": ""}
    key = key_of("a:1", "fork", fields)
    assert key == key_of("a:1", "fork", dict(fields)) and key.isascii()
    others = [("a:2", fields), ("a:1", fields | {"from_step": "ship"}), ("a:1", fields | {"key": "2"})]
    assert len({key, *(key_of(saga, "fork", meant) for saga, meant in others)}) == 4
    assert key_of("a:1", "retry", {}) != key_of("a:1", "retry", {})


class Forking:
    """A server whose saga has these forks. It tells the keys under which it was asked for more."""

    def __init__(self) -> None:
        self.forks: list[dict[str, str]] = []
        self.keys: list[str] = []

    def view(self, saga: str) -> dict[str, Any]:
        return {"status": "done"} | ({"forks": self.forks} if self.forks else {})

    def command(self, saga: str, name: str, fields: dict[str, Any], key: str) -> dict[str, Any]:
        self.keys.append(key)
        return {}


def test_a_fork_that_could_not_begin_is_another_one_when_it_is_said_again() -> None:
    server = Forking()
    fields = {"from_step": "pay", "key": ""}

    def fork() -> bool:
        """Is it another one than all before?"""
        steer(server, ["a:1"], "fork", fields, dry_run=False, tell=lambda _: None)
        return server.keys[-1] not in server.keys[:-1]

    assert fork()
    server.forks.append({"entity": "a:1-fork-1", "from_step": "pay"})
    assert not fork()
    server.forks[0]["refused"] = "saga.started"
    assert fork() and not fork()
    server.forks.append({"entity": "a:2", "from_step": "ship", "refused": "saga.started"})
    assert not fork(), "that was from another step"
    assert refused_in(server.view("a:1"), fields) == 1 and refused_in({}, fields) == 0


@pytest.mark.parametrize(
    ("command", "row", "is_out"),
    [
        ("fork", {"forks": 0, "fork_of": ""}, False),
        ("fork", {"forks": 1, "fork_of": ""}, True),
        ("fork", {"forks": 0, "fork_of": "a:1"}, True),
        ("resume", {"forks": 1, "cancelled": False}, False),
        ("resume", {"forks": 0, "cancelled": True}, True),
        ("retry", {"forks": 1, "cancelled": True}, False),
    ],
)
def test_what_a_filter_does_not_mean(command: str, row: dict[str, Any], is_out: bool) -> None:
    assert is_left_out(command, row) == is_out
