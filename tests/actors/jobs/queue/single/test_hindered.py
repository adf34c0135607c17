"""What is not to be tried again because of its children: those that somebody was told of, and those that still end."""

from collections.abc import Mapping
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from greenroom.actors.jobs.options import Options
from greenroom.actors.jobs.queue.single import hindered as module
from greenroom.actors.jobs.queue.single.hindered import hindered
from greenroom.actors.jobs.waits import Awaited, Waits
from greenroom.store.jobs.jobs import JobFound, JobOutcome
from greenroom.store.journal.consequences.jobs import FREED, JobRow

SAGA = "checkout:1"


class Rows:
    """Of jobs that have failed, unless something else is said of them."""

    def __init__(self, *rows: JobRow, **outcomes: JobOutcome) -> None:
        self._rows = {row.id: row for row in rows}
        self._outcomes = {one: JobOutcome("q", "failed", ended_ms=5) for one in self._rows} | outcomes
        self.read: list[list[str]] = []  # whole rows, by statement

    async def outcomes(self, ids: list[str]) -> dict[str, JobOutcome]:
        await trio.lowlevel.checkpoint()
        return {one: self._outcomes[one] for one in ids if one in self._outcomes}

    async def ended(self, ids: list[str]) -> list[JobFound]:
        await trio.lowlevel.checkpoint()
        self.read.append(sorted(ids))
        return [JobFound(replace(self._rows[one]), "failed", 5) for one in ids if one in self._rows]


def row(name: str, *children: str, origin: str = "", **fields: Any) -> JobRow:
    waits = Waits([Awaited(one, is_child=True) for one in children]) if children else None
    return JobRow(name, "q", "job.x", b"{}", 1, 1, options=Options(origin=origin, waits=waits).encode(), **fields)


async def why(rows: Rows, *asked: JobRow, detached: bool = False) -> Mapping[str, str]:
    return {one: error.name for one, error in (await hindered(asked, rows, detached=detached)).items()}


async def test_a_parent_is_whose_child_a_saga_has_given_up_however_deep_unless_that_is_said() -> None:
    rows = Rows(row("c1", "deep"), row("c2"), row("deep", origin=SAGA))
    found = await hindered([row("p", "c1"), row("other", "c2")], rows, detached=False)
    assert list(found) == ["p"] and found["p"].name == "queue.settled" and f"{SAGA} has started" in str(found["p"])
    assert await why(rows, row("p", "c1"), detached=True) == {}


async def test_a_child_that_is_not_tried_again_hinders_nobody() -> None:
    rows = Rows(
        row("good", origin=SAGA),
        row("same", origin=SAGA),
        row("run", origin="schedule:nightly"),
        good=JobOutcome("q", "completed", ended_ms=5),
        same=JobOutcome("q", "cancelled", ended_ms=5, instead="z"),
        waits=JobOutcome("q", "unfinished"),
    )
    assert await why(rows, row("p", "good", "same", "run", "waits", "gone")) == {}
    assert await why(Rows(row("c", origin=SAGA)), row("p", "c", let_go=FREED)) == {}, "it was free"


async def test_a_child_that_is_being_cancelled_hinders_all_above_it_whatever_is_said() -> None:
    ending = JobOutcome("b", "unfinished", is_cancelling=True)
    rows = Rows(row("c1", "deep"), row("c2"), deep=ending)
    for detached in (False, True):
        found = await hindered([row("p", "c1", "c2"), row("other", "c2")], rows, detached=detached)
        assert list(found) == ["p"] and found["p"].name == "queue.children_end" and found["p"].status == 409
        assert "deep is being cancelled" in str(found["p"])


@pytest.mark.bound("children that are looked at before their parents are tried again")
async def test_so_many_children_are_looked_at_those_on_top_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOKED_MAX", 5)
    monkeypatch.setattr(module, "LOOKED_AT_ONCE", 2)
    children = [row(f"c{number}", f"d{number}") for number in range(3)]
    rows = Rows(*children, row("d0"), row("d1"), row("d2", origin=SAGA))
    assert await why(rows, row("p", "c0", "c1", "c2")) == {}
    assert rows.read == [["c0", "c1"], ["c2"], ["d0", "d1"]]
    monkeypatch.setattr(module, "LOOKED_MAX", 6)
    assert await why(rows, row("p", "c0", "c1", "c2")) == {"p": "queue.settled"}
