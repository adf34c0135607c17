"""`greenroom sagas` beside a server that runs: what is listed, shown, and done about one or many."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.test_tutorial import write_blocks
from tests.e2e.server import Server, wait_until
from tests.faults.process.command_line import CommandLine, Ran

BOOKS = {"a": 600, "b": 600, "c": 0}  # who buys two books, and the cents of each: 500 are needed


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    write_blocks("sagas.md", tmp_path)
    running = Server(cwd=tmp_path, GREENROOM_ENTITIES="shop,checkout", GREENROOM_BUILT_IN_VIEWS="sagas")
    try:
        running.start()
        yield running
    finally:
        running.remove()


def test_sagas_are_listed_shown_and_steered(command_line: CommandLine, server: Server) -> None:
    def sagas(*arguments: str) -> Ran:
        url = () if "--url" in arguments else ("--url", server.url)
        return command_line.greenroom(server, "sagas", *arguments, *url)

    def listed(*arguments: str) -> dict[str, str]:
        ran = sagas("list", "--json", *arguments)
        assert ran.status == 0, ran
        return {row["key"]: row["status"] for row in json.loads(ran.out)}

    server.command("stock:book", "supply", {"count": 7})
    for user, cents in BOOKS.items():
        server.command(f"wallet:{user}", "deposit", {"cents": cents})
        server.command(f"checkout:{user}", "buy", {"article": "book", "count": 2}, user=user)
    wait_until(lambda: listed() == {"a": "done", "b": "done", "c": "undone"}, "the sagas to end")
    assert listed("--kind", "checkout", "--state", "undone") == {"c": "undone"}
    assert listed("--older", "1d") == {} and len(listed("--limit", "1")) == 1
    assert "checkout:c" in sagas("list").out

    shown = sagas("show", "checkout:c")
    assert shown.status == 0 and "charge: refused, wallet.too_little" in shown.out, shown
    seen: Any = json.loads(sagas("show", "checkout:c", "--json").out)
    assert [step["status"] for step in seen["steps"]] == ["undone", "refused", "waiting"]

    dry = sagas("resume", "--kind", "checkout", "--dry-run")
    assert dry.out == "resume: 1 sagas are meant\ncheckout:c: undone\n" and listed()["c"] == "undone"
    server.command("wallet:c", "deposit", {"cents": 600})
    resumed = sagas("resume", "--kind", "checkout", "--json")
    assert json.loads(resumed.out) == [{"saga": "checkout:c", "status": "running"}], resumed
    wait_until(lambda: listed()["c"] == "done", "it to be done")
    forked = sagas("fork", "checkout:c", "--from-step", "confirm", "--key", "again")
    assert (forked.status, forked.out) == (0, "checkout:c: checkout:again\n"), forked
    wait_until(lambda: listed().get("again") == "done", "the fork to be done")
    assert sagas("fork", "checkout:c", "--from-step", "confirm", "--key", "again").out == forked.out
    wait_until(lambda: '"forks":1' in sagas("list", "--json").out, "the list to say so")
    by_filter = sagas("fork", "--kind", "checkout", "--from-step", "confirm", "--json")
    assert {one["saga"] for one in json.loads(by_filter.out)} == {"checkout:a", "checkout:b"}, by_filter
    assert "2 are left out" in by_filter.err, by_filter

    late = sagas("cancel", "checkout:c", "checkout:nobody")
    assert late.status == 1 and "checkout:c: saga.ended" in late.err and "checkout:nobody: saga.not_begun" in late.err
    for bad, said in (
        (("cancel",), "say which"),
        (("retry", "nonsense"), "SAGA nonsense"),
        (("list", "--state", "odd"), "--state odd"),
        (("list", "--older", "soon"), "--older soon"),
        (("fork", "checkout:c"), "--from-step"),
        (("show", "checkout:c", "--url", "nowhere"), "must be a URL"),
    ):
        ran = sagas(*bad)
        assert ran.status == 2 and said in ran.err, ran
    assert sagas("cancel", "--kind", "checkout").out == "no such sagas\n"
