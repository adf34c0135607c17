"""What is done about many jobs: by queue, part by part, up to the last."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from greenroom.supervisors.cli.jobs.many import IDS_AT_ONCE, Part, parts_of, steps
from greenroom.supervisors.cli.terminal.plainly import Trouble


class Asked:
    """A server with two queues: jobs with even numbers are of `a`, odd ones of `b`, and there are a thousand."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, dict[str, Any]]] = []

    def rows(self, path: str, query: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        if path == "/api/queues":
            yield from ({"queue": "a"}, {"queue": "b"})
        for one in query.get("id", "").split(",") if "id" in query else ():
            row = {"id": one, "queue": "ab"[int(one) % 2]}
            if int(one) < 1_000 and query["queue"] in (None, row["queue"]):
                yield row

    def command(self, kind: str, key: str, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        self.commands.append((f"{kind}:{key}/{name}", dict(fields)))
        return {"found": 1, "changed": 1, "next": "c" if len(self.commands) < 3 else None}


def parts(queue: str = "", **where: Any) -> list[Part]:
    server: Any = Asked()
    return parts_of(server, queue, where)


def test_jobs_are_named_by_queue() -> None:
    assert parts("a", kind="job.x") == [Part("a", {"kind": "job.x"})]
    assert parts(kind="job.x") == [Part("a", {"kind": "job.x"}), Part("b", {"kind": "job.x"})]
    assert parts(id=["4", "5", "6"]) == [Part("a", {"id": ["4", "6"]}), Part("b", {"id": ["5"]})]
    many = parts(id=[str(number) for number in range(0, 1_000, 2)])
    assert [(part.queue, len(part.where["id"])) for part in many] == [
        ("a", IDS_AT_ONCE),
        ("a", IDS_AT_ONCE),
        ("a", 100),
    ]


def test_all_there_is_must_be_said_and_an_id_must_be_one() -> None:
    with pytest.raises(Trouble, match="say which"):
        parts()
    with pytest.raises(Trouble, match="ID 1000: there is no such job, or"):
        parts(id=["4", "1000"])
    with pytest.raises(Trouble, match="ID 4: there is no such job in b"):
        parts("b", id=["4"])


def test_each_message_goes_on_where_the_one_before_has_ended() -> None:
    asked = Asked()
    server: Any = asked
    assert len(list(steps(server, "drop", Part("a", {"kind": "x"}), {"dry_run": True}))) == 3
    assert [fields["after"] for _, fields in asked.commands] == [None, "c", "c"]
    assert asked.commands[0] == (
        "queue:a/bulk",
        {"act": "drop", "where": {"kind": "x"}, "after": None, "dry_run": True},
    )
