"""Jobs operated from the command line, against a real server: listed, added, and steered one by one or by a filter."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import Server
from tests.faults.process.command_line import CommandLine, Ran

numbers = count(1)


@pytest.fixture(scope="module")
def command_line() -> Iterator[CommandLine]:
    with CommandLine() as command_line:
        yield command_line


class Operator:
    """Who types commands about a queue of their own."""

    def __init__(self, server: Server, command_line: CommandLine) -> None:
        self.queue = f"ops-{next(numbers)}"
        self._server = server
        self._command_line = command_line

    def types(self, *arguments: str) -> Ran:
        """With the token that the command signs itself: it has the server's settings."""
        settings = {**self._server._environment(), "GREENROOM_PORT": str(self._server.port)}
        return self._command_line.run(arguments, settings)

    def told(self, *arguments: str) -> str:
        ran = self.types(*arguments)
        assert (ran.status, ran.err) == (0, ""), ran
        return ran.out

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        return [
            json.loads(line)
            for line in self.told("jobs", "list", "--queue", self.queue, "--json", *arguments).splitlines()
        ]

    def fail(self, most: int) -> None:
        """So many jobs, for good."""
        headers = {"Authorization": f"Bearer {self._server.token('svc', roles=['service'])}"}

        def command(fields: dict[str, Any]) -> Any:
            return self._server.command(f"queue:{self.queue}", "take", fields, user=None, headers=headers)

        taken = command({"worker": "w", "most": most})
        ends = [
            {"id": job["id"], "token": taken["token"], "error": "connection refused", "final": True}
            for job in taken["jobs"]
        ]
        assert command({"worker": "w", "most": 0, "finished": ends}).get("refused", []) == []


@pytest.fixture
def operator(server: Server, command_line: CommandLine) -> Operator:
    return Operator(server, command_line)


def test_dead_letters_are_found_tried_again_and_dropped(operator: Operator, tmp_path: Path) -> None:
    lines = tmp_path / "jobs"
    lines.write_text("\n".join(json.dumps({"to": f"ann{number}"}) for number in range(5)), encoding="utf-8")
    assert operator.told("jobs", "add", operator.queue, "job.mail", "--lines", str(lines)).split() == sorted(
        row["id"] for row in operator.rows()
    )
    operator.fail(3)
    assert [row["state"] for row in operator.rows()] == ["waiting", "waiting", "failed", "failed", "failed"]
    (found,) = operator.rows("--state", "failed", "--search", "REFUSED ann1", "--since", "1h")
    assert (found["arguments"], found["error"]) == ({"to": "ann1"}, "connection refused")
    assert operator.rows("--kind", "job.other") == []
    assert "connection refused" in operator.told("jobs", "list", "--queue", operator.queue, "--state", "failed")

    about = ("--queue", operator.queue, "--search", "refused")
    assert (
        operator.told("jobs", "retry", *about, "--dry-run")
        == "3 would be tried again, but for those whose starters have gone on\n"
    )
    refused = operator.types("jobs", "retry", *about)
    assert refused.status == 2 and "retry 3 jobs: say --yes" in refused.err
    assert operator.told("jobs", "retry", *about, "--yes") == "3 tried again\n"
    assert [row["state"] for row in operator.rows()] == ["waiting"] * 5
    assert operator.told("jobs", "cancel", found["id"], "--reason", "enough") == "1 cancelled, or told to end\n"
    assert json.loads(operator.told("jobs", "cancel", "--queue", operator.queue, "--yes", "--json")) == {
        "act": "cancel", "found": 4, "changed": 4,
    }  # fmt: skip
    assert operator.told("queues", "drain", operator.queue) == f"{operator.queue} is empty\n"
    assert operator.told("jobs", "drop", "--queue", operator.queue, "--yes") == "5 dropped\n"
    assert operator.rows() == []


def test_a_job_is_explained_and_changed(operator: Operator) -> None:
    job = operator.told("jobs", "add", operator.queue, "job.mail", '{"to": "ann"}', "--by", "ann").strip()
    assert operator.told("queues", "pause", operator.queue, "--reason", "deploy").endswith("is paused\n")
    why = "the queue is paused: deploy"
    assert why in operator.told("jobs", "show", job)
    assert why in operator.told("explain", f"job:{job}")
    assert "it is paused, until somebody resumes it: deploy" in operator.told("explain", f"queue:{operator.queue}")
    assert "resumes at" in operator.told("queues", "resume", operator.queue, "--until", "2h")
    assert f"{operator.queue} is resumed\n" == operator.told("queues", "resume", operator.queue)
    assert "concurrency 8" in operator.told("queues", "limit", operator.queue, "--concurrency", "8", "--rate", "300/60")
    assert operator.told("jobs", "edit", job, "--priority", "0", "--at", "2h") == "1 changed\n"
    assert operator.told("jobs", "edit", job, "--arguments", '{"to": "bob"}') == "1 changed\n"
    shown = json.loads(operator.told("jobs", "show", job, "--json"))
    assert (shown["priority"], shown["arguments"], shown["state"]) == (0, {"to": "bob"}, "delayed")
    assert shown["why"].startswith("delayed until")
    assert operator.queue in operator.told("queues", "list")
    late = operator.types("queues", "drain", operator.queue, "--within", "0s")
    assert late.status == 1 and "has 1 jobs yet: nothing waits" in late.err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("jobs", "list", "--state", "done"), 2, "--state 'done': must be one of"),
        (("jobs", "list", "--since", "yesterday"), 2, "--since 'yesterday': must be as 30m"),
        (("jobs", "list", "--kind", "a\nb"), 2, "kind: "),
        (("jobs", "show", "7"), 2, "32 hex digits"),
        (("jobs", "show", "0" * 32), 1, "there is none"),
        (("jobs", "retry"), 2, "say which"),
        (("jobs", "retry", "0" * 32), 1, "there is no such job"),
        (("jobs", "drop", "--queue", "none", "--state", "waiting"), 2, "`where.state`: drop is about"),
        (("jobs", "edit", "--queue", "none"), 2, "--priority, --at"),
        (("jobs", "add", "mail", "job.mail", "[]"), 2, "JSON: must be a JSON object"),
        (("queues", "limit", "mail", "--rate", "fast"), 2, "--rate 'fast': must be n/seconds"),
        (("queues", "resume", "never paused", "--until", "2h"), 1, "is not paused"),
        (("jobs", "list", "--server", "http://127.0.0.1:1"), 2, "GREENROOM_WORK_TOKEN"),
    ],
)
def test_what_is_wrong_is_said_by_its_name(
    operator: Operator, arguments: tuple[str, ...], status: int, said: str
) -> None:
    ran = operator.types(*arguments)
    assert ran.status == status and said in ran.err and "Traceback" not in ran.err, ran
