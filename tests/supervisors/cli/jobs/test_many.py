"""What is done about many jobs: by queue, part by part, up to the last."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from greenroom.supervisors.cli.jobs.many import IDS_AT_ONCE, Part, edit_one, parts_of, said, steps
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

    def view(self, kind: str, key: str) -> dict[str, Any]:
        if int(key) >= 1_000:
            raise Trouble("404 job.not_found")
        return {}

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


def test_arguments_are_not_changed_where_one_only_asks(capsys: pytest.CaptureFixture[str]) -> None:
    asked = Asked()
    server: Any = asked
    edit_one(server, ["4"], '{"to": "ann"}', {}, dry_run=True, as_json=False)
    with pytest.raises(Trouble, match="404"):
        edit_one(server, ["1000"], "{}", {}, dry_run=True, as_json=False)
    assert (asked.commands, capsys.readouterr().out) == ([], "1 would be changed\n")
    edit_one(server, ["4"], '{"to": "ann"}', {"priority": 1}, dry_run=False, as_json=True)
    assert asked.commands == [("job:4/edit", {"priority": 1, "arguments": {"to": "ann"}})]
    assert capsys.readouterr().out == '{"act": "edit", "found": 1, "changed": 1}\n'


def test_where_none_was_changed_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    said({"act": "retry", "found": 3, "changed": 0}, dry_run=False, as_json=False)
    said({"act": "retry", "found": 3, "changed": 0}, dry_run=True, as_json=False)
    assert (
        capsys.readouterr().out == "0 tried again\n3 would be tried again, but for those whose starters have gone on\n"
    )
