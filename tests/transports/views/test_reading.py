"""`GET /api/{view}/{key}`, on a real Postgres."""

from typing import Any

import msgspec
import pytest
import trio

from greenroom import Refused
from greenroom.actors.views import reader
from greenroom.store.postgres.pool import Pool
from greenroom.transports.views.reading import is_known
from tests.actors.views.boards import ALL_VIEWS, Board, Everybody, Show
from tests.supervisors.views.shown_stage import ShownStage, shown_stage, until
from tests.transports.world import SECRET, token

ANN = {"X_Greenroom_User": "ann"}


async def filled(node: ShownStage) -> None:
    """Two shows of five users; five events each."""
    for number, user in enumerate(("ann", "bob", "eve", "joe", "zoe"), 1):
        await node.clap("a", user, number)
        await node.clap("b/c", user, number)
    await folded(node, "board", "show:a@5", "show:b/c@5")


async def folded(node: ShownStage, view: str, *moments: str) -> None:
    for at in moments:
        entity, _, offset = at.rpartition("@")
        await node.reader.until_folded(view, entity, int(offset))


def users(answer: Any) -> list[str]:
    return [row["user"] for row in answer.json["rows"]]


async def test_a_page_and_those_behind_and_before_it(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        await filled(node)
        first = await node.get("/api/board/a?limit=2", **ANN)
        assert first.status == 200
        assert first.json["rows"] == [
            {"show": "a", "user": "zoe", "claps": 5},
            {"show": "a", "user": "joe", "claps": 4},
        ]
        assert first.json["previous"] is None
        second = await node.get(f"/api/board/a?limit=2&after={first.json['next']}")
        assert users(second) == ["eve", "bob"]
        last = await node.get(f"/api/board/a?limit=2&after={second.json['next']}")
        assert (users(last), last.json["next"]) == (["ann"], None)
        back = await node.get(f"/api/board/a?limit=3&before={last.json['previous']}")
        assert users(back) == ["joe", "eve", "bob"]
        assert users(await node.get("/api/board/a")) == ["zoe", "joe", "eve"], "as many as the page shows"
        assert users(await node.get("/api/board/b%2Fc?limit=1")) == users(await node.get("/api/board/b/c?limit=1"))
        assert users(await node.get("/api/board/a?user=eve")) == ["eve"]
        assert users(await node.get("/api/board/nobody")) == []


async def test_a_view_without_pages_is_read_as_one(database_url: str) -> None:
    async with shown_stage(database_url, Everybody) as node:
        await node.clap("a", "ann", 2)
        await folded(node, "everybody", "show:a@1")
        answer = await node.get("/api/everybody/all")
        assert answer.json == {
            "rows": [{"user": "ann", "claps": 2}], "next": None, "previous": None, "epoch": "none", "offset": 0,
        }  # fmt: skip
        assert (await node.get("/api/everybody/some")).error[:2] == (404, "not_found")


async def test_where_it_stands_is_where_to_watch_from(database_url: str) -> None:
    """Rows are read, then somebody claps, and then who has read them subscribes from there: nothing is missing."""
    async with shown_stage(database_url, Board) as node:
        await node.clap("a", "ann")
        first = node.watch("board:a")
        await until(lambda: len(first.rows) == 1)
        answer = await node.get("/api/board/a")
        later = node.watch("board:a")
        await until(lambda: later.pages == 1)
        later.leave()
        assert later.position is not None
        later.position.epoch, later.position.offset = answer.json["epoch"], answer.json["offset"]
        later.rows = {(row["show"], row["user"]): row for row in answer.json["rows"]}
        await node.clap("a", "bob")
        await until(lambda: len(first.rows) == 2)
        later.watch()
        await until(lambda: later.rows == first.rows)
        assert later.pages == 1, "it was not given all of it again"


@pytest.mark.parametrize(
    ("path", "status", "name", "shown"),
    [
        ("/api/board/a?limit=0", 400, "bad_request", "limit must be 1 to 1000"),
        ("/api/board/a?limit=1000000", 400, "bad_request", "limit must be 1 to 1000"),
        ("/api/board/a?limit=many", 400, "bad_request", "limit must be 1 to 1000"),
        ("/api/board/a?limit=", 400, "bad_request", "limit must be 1 to 1000"),
        ("/api/board/a?claps=3", 400, "bad_request", "claps is no key and no index of board"),
        ("/api/board/a?_revision=3", 400, "bad_request", "_revision is no key and no index of board"),
        ("/api/board/a?nope=3", 400, "bad_request", "nope is no key and no index of board"),
        ("/api/board/a?after=xyz", 400, "bad_request", "after is no cursor"),
        ("/api/board/a?before=", 400, "bad_request", "before is no cursor"),
        ("/api/board/a?user=a&user=b", 400, "bad_request", "user is given twice"),
        ("/api/board/a?user=%00", 400, "bad_request", "user holds a NUL"),
        ("/api/board/a?search=x", 400, "bad_request", "search finds nothing in board"),
        ("/api/board/a?stale=yes", 400, "bad_request", "stale must be ok"),
        ("/api/board/a?at=show:a", 400, "bad_request", "at must be an entity and an offset"),
        ("/api/board/a?at=show@1", 400, "bad_request", "at must be an entity and an offset"),
        ("/api/board/a?at=room:a@1", 400, "bad_request", "at names a room, of which board is not made"),
        ("/api/board/%00", 400, "bad_entity", ""),
        (f"/api/board/{'a' * 256}", 400, "bad_entity", ""),
        ("/api/board/private", 403, "board.private", "not for you"),
        ("/api/closed/all", 403, "view.closed", "not open"),
        ("/api/nope/a", 404, "unknown_kind", "nope"),
        ("/api/everybody/all/history", 404, "unknown_kind", "everybody"),
        ("/api/notes/a?number=1.5", 400, "bad_request", "number expected"),
        ("/api/notes/a?search=" + "x" * 501, 400, "bad_request", "search must be at most 500"),
    ],
)
async def test_what_is_wrong_is_told_by_its_name(
    database_url: str, path: str, status: int, name: str, shown: str
) -> None:
    async with shown_stage(database_url, *ALL_VIEWS) as node:
        answer = await node.get(path, **ANN)
        assert answer.error[:2] == (status, name)
        assert shown in answer.error[2]


async def test_a_cursor_of_another_page_is_refused(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        await filled(node)
        cursor = (await node.get("/api/board/a?limit=1")).json["next"]
        assert (await node.get(f"/api/board/b%2Fc?after={cursor}")).error[0] == 400
        tampered = cursor[:-3] + ("A" if cursor[-3] != "A" else "B") + cursor[-2:]
        assert (await node.get(f"/api/board/a?after={tampered}")).error[0] == 400
        assert (await node.get(f"/api/board/a?user=ann&after={cursor}")).error[0] == 400


async def test_who_may_not_read_is_refused(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        assert (await node.get("/api/board/a", X_Greenroom_User="mallory")).error[:2] == (403, "board.private")
        assert (await node.get("/api/board/a")).status == 200


async def test_what_has_not_changed_is_not_sent_again(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        await filled(node)
        answer = await node.get("/api/board/a")
        etag = answer.headers["etag"]
        assert answer.headers["cache-control"] == "private, no-cache"
        again = await node.get("/api/board/a", If_None_Match=f'"other", {etag}')
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
        assert (await node.get("/api/board/a?limit=1", If_None_Match=etag)).status == 200
        await node.clap("a", "ann", 100)
        await folded(node, "board", "show:a@6")
        assert (await node.get("/api/board/a", If_None_Match=etag)).status == 200


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (None, False),
        (b'W/"x"', True),
        (b'"x"', True),
        (b'"a", W/"x"', True),
        (b"*", True),
        (b'W/"y"', False),
        (b"x", False),
        (b"", False),
    ],
)
def test_tags_are_compared_weakly(given: bytes | None, known: bool) -> None:
    assert is_known(b'W/"x"', given) is known


async def test_rows_may_wait_for_what_was_just_done(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        for number in range(1, 30):
            offset = await node.clap("a", "ann")
            answer = await node.get(f"/api/board/a?at=show:a@{offset}")
            assert answer.json["rows"][0]["claps"] >= number
            assert "stale" not in answer.json


async def test_how_far_an_entity_is_is_told_to_those_who_may_watch_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not there is one, and however far it is."""

    def closed(self: Show) -> None:
        raise Refused("show.closed")

    monkeypatch.setattr(Show, "may_watch", closed)
    async with shown_stage(database_url, Board) as node:
        await filled(node)
        for moment in ("show:a@1", "show:a@99", "show:never@1"):
            refused = await node.get(f"/api/board/a?at={moment}&stale=ok", **ANN)
            assert refused.error[:2] == (403, "show.closed"), moment
        assert (await node.get("/api/board/a", **ANN)).status == 200


async def test_the_wait_is_bounded_and_old_rows_are_given_to_who_takes_them(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        await filled(node)
        before = trio.current_time()
        late = await node.get("/api/board/a?at=show:a@99", X_Request_Timeout="0.3")
        assert late.error[:2] == (504, "deadline_exceeded")
        assert trio.current_time() - before < 5
        stale = await node.get("/api/board/a?at=show:a@99&stale=ok", X_Request_Timeout="1")
        assert (users(stale), stale.json["stale"]) == (["zoe", "joe", "eve"], True)
        fresh = await node.get("/api/board/a?at=show:a@5&stale=ok")
        assert "stale" not in fresh.json
        assert (await node.get("/api/board/a?at=show:never@1&stale=ok")).json["stale"] is True


async def test_rows_that_nobody_keeps_up_are_said_to_be_stale(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        await filled(node)
        fresh = await node.get("/api/board/a")
        assert "stale" not in fresh.json
        (live,) = await node.versions("board")
        node.shown.learn([msgspec.structs.replace(live, is_kept_up=False)])
        answer = await node.get("/api/board/a", If_None_Match=fresh.headers["etag"])
        assert (answer.status, answer.json["stale"], users(answer)) == (200, True, ["zoe", "joe", "eve"])


@pytest.mark.bound("who waits until a view has folded something, `?at=`")
async def test_not_all_may_wait_at_once(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "WAITING_MAX", 1)
    async with shown_stage(database_url, Board) as node:

        async def waiting() -> None:
            await node.get("/api/board/a?at=show:a@99", X_Request_Timeout="1")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(waiting)
            await until(lambda: node.reader.waiting.held == 1)
            refused = await node.get("/api/board/a?at=show:a@99", X_Request_Timeout="1")
            assert refused.error[:2] == (429, "overloaded")
        assert node.reader.waiting.held == 0


async def test_one_user_may_not_wait_in_all_places(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "WAITING_OF_ONE", 1)
    async with shown_stage(database_url, Board) as node:
        await filled(node)
        late = "/api/board/a?at=show:a@99"
        async with trio.open_nursery() as nursery:

            async def waiting(user: str) -> None:
                await node.get(late, X_Request_Timeout="5", X_Greenroom_User=user)

            nursery.start_soon(waiting, "ann")
            await until(lambda: node.reader.waiting.held == 1)
            assert (await node.get(late, X_Request_Timeout="5", **ANN)).error[:2] == (429, "overloaded")
            nursery.start_soon(waiting, "bob")
            await until(lambda: node.reader.waiting.held == 2)


async def test_the_anonymous_have_together_what_one_user_has_and_staff_what_all_have(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "WAITING_OF_ONE", 2)
    held = Held()
    async with shown_stage(database_url, *ALL_VIEWS, fetch=held.over, secret=SECRET) as node:
        late = "/api/board/a?at=show:a@99"
        ann, staff = [
            {"Authorization": f"Bearer {token(sub='ann', roles=roles, exp=10_000)}"} for roles in ([], ["service"])
        ]
        async with trio.open_nursery() as nursery:

            async def waiting(headers: dict[str, str]) -> None:
                await node.get(late, X_Request_Timeout="5", **headers)

            for number, headers in enumerate(({}, {}, ann, ann, staff, staff, staff), 1):
                nursery.start_soon(waiting, headers)
                await until(lambda number=number: node.reader.waiting.held == number)  # type: ignore[misc]
            for headers in ({}, ann):
                refused = await node.get(late, X_Request_Timeout="5", **headers)
                assert refused.error[:2] == (429, "overloaded")

            async def search() -> None:
                found.append((await node.get("/api/notes/a?search=x")).status)

            found: list[int] = []
            for _ in range(reader.SEARCHES_OF_ONE + 1):
                nursery.start_soon(search)
            await until(lambda: found == [429])
            held.go_on.set()
        assert found == [429, 200, 200, 200, 200]


class Held:
    """The reader's way to the pool, in which searches wait until they may go on."""

    def __init__(self) -> None:
        self.under_way = 0
        self.go_on = trio.Event()

    def over(self, pool: Pool) -> Any:
        async def fetch(sql: str, *arguments: object) -> Any:
            if "websearch_to_tsquery" in sql:
                self.under_way += 1
                await self.go_on.wait()
                self.under_way -= 1
            return await pool.fetch(sql, *arguments)

        return fetch


@pytest.mark.bound("searches of views under way")
async def test_searches_leave_connections_to_who_only_reads(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "SEARCHES_MAX", 3)
    monkeypatch.setattr(reader, "SEARCHES_OF_ONE", 2)
    held = Held()
    async with shown_stage(database_url, *ALL_VIEWS, fetch=held.over) as node:
        await node.clap("a", "balloon")
        await folded(node, "notes", "show:a@1")
        found: list[int] = []

        async def search(user: str) -> None:
            found.append((await node.get("/api/notes/a?search=balloon", X_Greenroom_User=user)).status)

        async with trio.open_nursery() as nursery:
            for number, user in enumerate(("ann", "ann", "bob"), 1):
                nursery.start_soon(search, user)
                await until(lambda number=number: node.reader.searching.held == number)  # type: ignore[misc]
            await search("eve")
            assert (found, held.under_way) == ([429], 1), "with four connections one may search"
            assert (await node.get("/api/board/a")).status == 200
            held.go_on.set()
        assert found == [429, 200, 200, 200]


async def test_one_user_does_not_search_in_the_place_of_all(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "SEARCHES_OF_ONE", 1)
    held = Held()
    async with shown_stage(database_url, *ALL_VIEWS, fetch=held.over) as node:
        async with trio.open_nursery() as nursery:

            async def search() -> None:
                assert (await node.get("/api/notes/a?search=x", **ANN)).status == 200

            nursery.start_soon(search)
            await until(lambda: held.under_way == 1)
            refused = await node.get("/api/notes/a?search=x", **ANN)
            assert refused.error[:2] == (429, "overloaded")
            assert refused.headers["retry-after"] == "1"
            held.go_on.set()


async def test_a_search_says_how_well_it_fits_and_where(database_url: str) -> None:
    async with shown_stage(database_url, *ALL_VIEWS) as node:
        await node.clap("a", "red balloons")
        await node.clap("a", "a kite")
        await folded(node, "notes", "show:a@2")
        answer = await node.get("/api/notes/a?search=balloon")
        (row,), (match,) = answer.json["rows"], answer.json["matches"]
        assert row["title"] == "red balloons"
        assert match["rank"] > 0
        assert match["snippet"][1] == "balloons"
        nothing = await node.get("/api/notes/a?search=%22")
        assert (nothing.json["rows"], nothing.json["matches"]) == ([], [])


async def test_requests_are_counted_under_the_name_of_the_view(database_url: str) -> None:
    async with shown_stage(database_url, Board, Everybody) as node:
        await node.get("/api/board/a")
        await node.get("/api/everybody/all?nope=1&nope=2")
        commands = node.services.instruments.commands
        assert commands["board", "view", "ok"] == 1
        assert commands["everybody", "view", "bad_request"] == 1


async def test_a_head_request_and_other_methods(database_url: str) -> None:
    async with shown_stage(database_url, Board) as node:
        assert (await node.get("/api/board/a", method="HEAD")).status == 200
        assert (await node.get("/api/board/a", method="DELETE")).status == 405
        assert (await node.get("/api/board/a/clap", method="POST")).error[:2] == (404, "unknown_command")
        assert (await node.get("/api/board/a/history")).json["publications"] == []
