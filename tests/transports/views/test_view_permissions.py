"""The cells of the table of who may do what that are about views: through every way in, as of rooms themselves.

Who may is asked of classes and of rooms, never of rows, so the tables here are empty. What rows say of whom is told in
tests/e2e/views.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from greenroom.actors.chat.room.actor import Room
from greenroom.actors.chat.views import Conversations, Messages, Rooms
from greenroom.actors.identity.session import Session, SignOut
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.views.entities import entities_of
from greenroom.actors.views.installed import Views
from greenroom.actors.views.reader import ViewReader
from greenroom.store.views.reading import Reading
from greenroom.store.views.store import Version
from greenroom.supervisors.views.shown import reader_of
from greenroom.transports.client.reading import READS as RPC_READS
from tests.transports.permissions import NOT_APPLICABLE, TABLES
from tests.transports.small_node import SmallNode, small_node
from tests.transports.test_permissions import Ways, as_read, full_name, staged, streamed
from tests.transports.world import token

SEARCHED = ("rooms", "messages")
OWN = "one's own"
ROOMS = {"an open room": "open", "a closed room": "closed", "a direct conversation": "direct"}


class NoRow(dict[Any, Any]):
    """What stands beside the floor where a page has no row."""

    def __missing__(self, key: Any) -> None:
        return None


def reader_of_nothing(kinds: Kinds) -> ViewReader:
    """Of the built-in views, each with an empty table."""

    async def fetch(sql: str, *arguments: Any) -> list[Any]:
        return [NoRow(last_value=0)] if "last_value" in sql else []

    reader = reader_of(Views(kinds, (Conversations, Messages, Rooms, entities_of(kinds))), kinds, Reading(fetch))
    reader.learn(
        Version(
            id=number, name=one.name, version=one.version, build=1, shape=one.shape, kinds=one.kinds, state="live",
            paused=False, rung=0, age_s=1.0,
        )
        for number, one in enumerate(reader.views, 1)
    )  # fmt: skip
    return reader


@pytest.fixture
async def node() -> AsyncIterator[SmallNode]:
    kinds = (Room, Session)
    async with small_node(kinds=kinds, anonymous=False, anonymous_watch=True, views=reader_of_nothing) as made:
        await made.kernel.router.ask("session:signed_out", SignOut())
        yield made


async def page_of(node: SmallNode, subject: str, who: str) -> str:
    """The channel that a row of the table is about."""
    view, _, rest = subject.partition(" of ")
    if view == "conversations":
        return f"{view}:{who if rest == OWN else 'somebody'}"
    if view == "messages":
        return f"{view}:{(await staged(node, ROOMS[rest])).entity.partition(':')[2]}"
    return "to_warehouse:all" if view == "a sink" else view


async def read_verdicts(ways: Ways, page: str) -> dict[str, str]:
    view, _, key = page.partition(":")
    path = f"/api/{view}/{key.replace('+', '%2B')}"
    found = {"read": await ways.http("GET", path)}
    if view in SEARCHED:
        found["search"] = await ways.http("GET", f"{path}?search=walrus")
    return found


async def watch_verdicts(ways: Ways, page: str, expected: str) -> dict[str, str]:
    channel = page.replace("+", "%2B")
    found = {more: await streamed(ways, f"/events?channel={channel}{more}") for more in ("", "&as=view", "&since=1")}
    of_client: dict[str, dict[str, Any]] = {
        "subscribe": {"subscribe": {"channel": page}},
        "subscribe as view": {"subscribe": {"channel": page, "data": {"as": "view"}}},
        "recover": {"subscribe": {"channel": page, "recover": True, "offset": 1}},
        "presence": {"presence": {"channel": page}},
        "presence stats": {"presence_stats": {"channel": page}},
        "history": {"history": {"channel": page, "limit": 10}},
        **{f"rpc {name}": {"rpc": {"method": f"{page}/{name}", "data": {}}} for name in RPC_READS},
    }
    for name, command in of_client.items():
        found[name] = as_read(await ways.websocket(command), expected)
    return found


async def granted_verdicts(ways: Ways, page: str, expected: str) -> dict[str, str]:
    granted = token(sub=ways.user if ways.token else "", channel=page, exp=ways.node.clock() + 10_000)
    subscribe: dict[str, Any] = {"channel": page, "token": granted}
    of_client = {"events": subscribe, "view": subscribe | {"data": {"as": "view"}}}
    return {how: as_read(await ways.websocket({"subscribe": one}), expected) for how, one in of_client.items()}


@pytest.mark.parametrize("row", [row for row in TABLES["views"] if not row.startswith("any page")])
async def test_who_may_read_and_watch_views(node: SmallNode, row: str) -> None:
    subject, _, how = row.partition(", ")
    shared = None if subject.endswith(OWN) else await page_of(node, subject, "")
    for who, verdict in TABLES["views"][row].items():
        if verdict == NOT_APPLICABLE:
            continue
        page = shared or await page_of(node, subject, who)
        ways, expected = Ways(node, who), full_name("open", verdict)
        if how == "read":
            found = await read_verdicts(ways, page)
        elif how == "watch":
            found = await watch_verdicts(ways, page, expected)
        else:
            user = page.partition(":")[2]
            found = {how: await ways.http("GET", f"/api/conversations/{user}/messages?search=walrus")}
        assert found == dict.fromkeys(found, expected), who


SUBJECTS = list(dict.fromkeys(row.partition(", ")[0] for row in TABLES["views"] if row.endswith(", watch")))


@pytest.mark.parametrize("subject", SUBJECTS)
async def test_who_may_watch_views_by_a_subscription_token(node: SmallNode, subject: str) -> None:
    (row,) = (row for row in TABLES["views"] if row.startswith("any page"))
    page = await page_of(node, subject, "member")
    for who, verdict in TABLES["views"][row].items():
        expected = full_name("open", verdict)
        found = await granted_verdicts(Ways(node, who), page, expected)
        assert found == dict.fromkeys(found, expected), who
