"""The desk's part for views and sinks, on a real Postgres."""

import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import trio

from greenroom.actors.model.errors import Refused
from greenroom.store.errors import OutcomeLost, StoreUnavailable
from greenroom.store.ownership.referee import Member
from greenroom.supervisors.admin import counting
from greenroom.supervisors.admin import view_desk as view_desk_module
from greenroom.supervisors.admin.asked import Asked
from greenroom.supervisors.admin.local import Local
from greenroom.supervisors.admin.told import ViewsTold
from greenroom.supervisors.admin.view_desk import ViewDesk, rates_between
from tests.actors.views.shows import Directory, Standings
from tests.supervisors.admin.test_tables import Ringing, tables_of
from tests.supervisors.views.stage import Stage, stage, until

SECRET = "poison"  # which the error says


class Me(Local):
    """This node, that folds ten events between two questions."""

    def __init__(self) -> None:
        self.node = 7
        self.asked = 0

    def of_views(self) -> ViewsTold:
        self.asked += 1
        return views_told(self.asked * 2.0, {"standings 1": self.asked * 10}, resting=["ringing 1"])


def views_told(at_s: float, events: dict[str, int], **fields: Any) -> ViewsTold:
    return ViewsTold(node="7", at_s=at_s, started_at_ms=fields.pop("started_at_ms", 1), events=events, **fields)


class Scene:
    def __init__(self, node: Stage) -> None:
        self.node = node
        self.members_: list[Member] = []
        self.desk = ViewDesk(tables_of(node), members=self, asked=Asked(Me()), clock=time.time)

    def members(self) -> Sequence[Member]:
        return self.members_

    async def shown(self) -> dict[str, Any]:
        found = json.loads(await self.desk.shown())
        self.all = found
        return {one["name"]: one for one in found["views"]}

    async def park(self, *shows: str) -> None:
        for show in shows:
            await self.node.clap(show, "poison")

        async def are_parked() -> bool:
            return len(await self.node.parked("standings")) == len(shows)

        await until(are_parked)


@pytest.fixture
async def scene(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(counting, "FRESH_S", 0.0)  # each look counts
    async with stage(database_url, Standings, Directory, Ringing) as node:
        yield Scene(node)


async def test_each_view_is_shown_with_its_tables(scene: Scene) -> None:
    await scene.node.clap("a", "ann", 3)
    await scene.node.folded("standings")
    await scene.node.folded("shows")
    await scene.shown()
    shown = await scene.shown()
    assert sorted(shown) == ["ringing", "shows", "standings"]
    (table,) = shown["standings"]["tables"]
    assert (table["state"], table["entities_behind"], table["parked"], table["events_per_s"]) == ("live", 0, 0, 5.0)
    assert (table["done"], table["estimate_s"], table["oldest_unfolded_s"]) == (None, None, None)
    assert shown["standings"]["can"] == ["pause", "rebuild"] and shown["standings"]["in_code"]
    assert (shown["ringing"]["kind"], shown["ringing"]["can"]) == ("sink", ["pause"])
    assert shown["ringing"]["tables"][0]["resting"] and not table["resting"]
    assert (scene.all["nodes"], scene.all["answered"]) == (1, 1)


async def test_what_is_paused_falls_behind_and_says_for_how_long(scene: Scene) -> None:
    assert json.loads(await scene.desk.pause("standings", paused=True)) == {"view": "standings", "paused": True}
    ran = scene.node.runners.filled.values()
    await until(lambda: done(all(one.runner.version.paused for one in ran if one.runner.version.name == "standings")))
    for user in ("ann", "bob"):
        await scene.node.clap("a", user)
    shown = await scene.shown()
    (table,) = shown["standings"]["tables"]
    assert (table["entities_behind"], table["events_behind"]) == (1, 2)
    assert 0 <= table["oldest_unfolded_s"] < 60
    assert shown["standings"]["paused"] and shown["standings"]["can"] == ["resume", "rebuild"]
    await scene.desk.pause("standings", paused=False)
    await scene.node.folded("standings")
    assert not (await scene.shown())["standings"]["paused"]


async def done(is_so: bool) -> bool:
    return is_so


async def test_parked_entities_are_read_page_by_page_and_content_only_by_who_may(scene: Scene) -> None:
    await scene.park("a", "b", "c")
    table = (await scene.shown())["standings"]["tables"][0]
    assert table["parked"] == 3
    found: list[str] = []
    after: int | None = 0
    while after is not None:
        page = json.loads(await scene.desk.parked(table["id"], after=after, limit=2, full=True))
        found += [one["entity"] for one in page["parked"]]
        assert all(SECRET in one["error"] and "in fold" in one["traceback"] for one in page["parked"])
        after = page["next"]
    assert sorted(found) == ["show:a", "show:b", "show:c"]
    seen = await scene.desk.parked(table["id"], after=0, limit=2, full=False)
    assert SECRET.encode() not in seen and b"show:a" in seen
    assert SECRET.encode() not in await scene.desk.shown(), "nor in what is shown to all who look"
    with pytest.raises(Refused, match="no such table"):
        await scene.desk.parked(999_999, after=0, limit=2, full=True)


async def test_a_long_traceback_is_cut(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_desk_module, "TRACEBACK_CHARS_MAX", 10)
    monkeypatch.setattr(view_desk_module, "ERROR_CHARS_MAX", 5)
    await scene.park("a")
    table = (await scene.shown())["standings"]["tables"][0]
    (one,) = json.loads(await scene.desk.parked(table["id"], after=0, limit=2, full=True))["parked"]
    assert (len(one["traceback"]), len(one["error"])) == (10, 5)


async def test_parked_ones_are_retried(scene: Scene) -> None:
    await scene.park("a", "b")
    assert "retry" in (await scene.shown())["standings"]["can"]
    assert json.loads(await scene.desk.retry("standings", "show:a"))["retried"] == 1
    assert json.loads(await scene.desk.retry("standings", "show:nobody"))["retried"] == 0
    with pytest.raises(Refused, match="no view nobody"):
        await scene.desk.retry("nobody", None)


async def test_a_rebuild_is_shown_with_its_share_and_what_it_leaves_is_dropped(scene: Scene) -> None:
    await scene.node.clap("a", "ann")
    await scene.node.folded("shows")
    await scene.desk.pause("shows", paused=True)
    answer = json.loads(await scene.desk.rebuild("shows"))
    assert answer["table"] == 'views."shows_v1_2"'
    shares = {one["build"]: one["done"] for one in (await scene.shown())["shows"]["tables"]}
    assert shares[1] is None and 0 <= shares[2] <= 1
    await scene.desk.pause("shows", paused=False)

    async def is_live() -> bool:
        return (await scene.node.version("shows")).build == 2

    await until(is_live)
    shown = (await scene.shown())["shows"]
    assert shown["can"] == ["pause", "rebuild", "drop-old"]
    assert [one["entities_behind"] for one in shown["tables"]] == [None, 0], "what is old is not counted"
    assert json.loads(await scene.desk.drop_old("shows"))["dropped"] == 1
    assert (await scene.shown())["shows"]["can"] == ["pause", "rebuild"]


async def test_what_the_store_refuses_is_told_by_name(scene: Scene) -> None:
    await scene.node.pool.fetch("UPDATE view_versions SET state = 'old' WHERE name = 'shows'")
    with pytest.raises(Refused, match="not kept up") as refused:
        await scene.desk.rebuild("shows")
    assert (refused.value.name, refused.value.status) == ("view_refused", 409)


async def test_a_database_that_does_not_answer_is_said_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> Any:
        await trio.sleep_forever()

    monkeypatch.setattr(view_desk_module, "STEER_S", 0.05)
    monkeypatch.setattr(scene.desk._tables.versions, "pause", never)
    with pytest.raises(StoreUnavailable, match="no answer from Postgres"):
        await scene.desk.pause("shows", paused=True)


@pytest.mark.parametrize("error", [StoreUnavailable, OutcomeLost])
async def test_what_is_left_over_waits_where_it_can_not_be_removed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    async def fails() -> int:
        raise error("away")

    monkeypatch.setattr(scene.desk._tables.progress, "clean", fails)
    assert json.loads(await scene.desk.rebuild("shows"))["table"] == 'views."shows_v1_2"'
    assert json.loads(await scene.desk.drop_old("standings"))["dropped"] == 0


def test_rates_are_of_nodes_that_were_asked_twice_in_one_run() -> None:
    before = {1: views_told(1.0, {"a 1": 10}), 2: views_told(1.0, {"a 1": 10}), 3: views_told(1.0, {"a 1": 10})}
    after = {
        1: views_told(3.0, {"a 1": 30, "b 1": 4}),
        2: views_told(2.0, {"a 1": 15}),
        3: views_told(2.0, {"a 1": 99}, started_at_ms=2),  # another run of it
        4: views_told(2.0, {"a 1": 99}),
    }
    assert rates_between(before, after) == {"a 1": 15.0, "b 1": 2.0}
