"""The cells of the table of who may do what that are about pages."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from quart_trio import QuartTrio
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.routing import MapAdapter

from greenroom.actors.chat.room.actor import Room
from greenroom.actors.identity.session import Session, SignOut
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.social.feed.actor import Feed
from greenroom.transports.admin.roles import Operators
from greenroom.transports.auth.details import staff_only
from greenroom.transports.pages import Bounds, PagesContext
from greenroom.transports.pages.app import create_pages
from tests.transports.admin.desk import Board, StubDesk
from tests.transports.permissions import TABLES, YES
from tests.transports.small_node import SmallNode, small_node
from tests.transports.test_permissions import Ways, full_name
from tests.transports.world import no_metrics

LIVE = "/admin/live"  # which no page answers
OF_JOB = {"id": "0" * 32}
BODIES = {
    "pause": {"queue": "media"},
    "resume": {"queue": "media"},
    "limit": {"queue": "media", "limits": {"concurrency": 2}},
    "retry": OF_JOB,
    "cancel": OF_JOB,
    "edit": OF_JOB,
    "drop": OF_JOB,
    "steer": {"saga": "trip:a", "step": "retry"},
}


@pytest.fixture
async def node() -> AsyncIterator[SmallNode]:
    async with small_node(kinds=(Room, Session), anonymous=False, anonymous_watch=True, admin=Board()) as made:
        await made.kernel.router.ask("session:signed_out", SignOut())
        yield made


def pages_of(node: SmallNode) -> QuartTrio:
    async def ready() -> tuple[bool, Mapping[str, Any]]:
        return True, {}

    context = PagesContext(
        env="production",
        version="0",
        kinds=Kinds([Room, Session, Feed]),
        bounds=Bounds(deadline_max_s=60.0, history_max=300),
        health=lambda: {"status": "ok", "awake": 7},
        ready=ready,
        scrape=no_metrics,
        details=staff_only(node.services.tokens, node.services.sessions),
        desk=StubDesk(),
        operators=Operators(node.services.tokens, node.services.sessions, is_local=False),
    )
    return create_pages(context)


async def test_every_page_has_a_row(node: SmallNode) -> None:
    asked = {row.partition(",")[0].partition("?")[0] for row in TABLES["pages"]} - {LIVE}
    addresses = pages_of(node).url_map.bind("")
    rules = {str(rule) for rule in addresses.map.iter_rules()}
    assert {rule_of(addresses, row) for row in asked} | {"/favicon.ico"} == rules


def rule_of(addresses: MapAdapter, address: str) -> str:
    try:
        return str(addresses.match(address, "GET", return_rule=True)[0])
    except MethodNotAllowed:
        return str(addresses.match(address, "POST", return_rule=True)[0])


async def test_who_may_see_which_page(node: SmallNode) -> None:
    pages = pages_of(node).test_client()
    for row, verdicts in TABLES["pages"].items():
        address, _, figures = row.partition(", ")
        for who, verdict in verdicts.items():
            # The one whose token is too old would else be let in.
            ways = Ways(node, who, roles=["admin"] if who == "signed_out" else None)
            if address.startswith(LIVE):
                found = await (await node.connect()).request("GET", address, None, **ways.headers)
                assert found.status == 200 if verdict == YES else found.error["name"] == full_name("", verdict), who
                continue
            if address in ("/admin/api/retry", "/admin/api/drop"):
                response = await pages.post(address, json={"ids": [1]}, headers=ways.headers)
            elif address.startswith("/admin/api/views/"):
                response = await pages.post(address, json={"view": "rooms"}, headers=ways.headers)
            elif address.startswith(("/admin/api/queues/", "/admin/api/jobs/", "/admin/api/sagas/")):
                response = await pages.post(address, json=BODIES[address.rpartition("/")[2]], headers=ways.headers)
            else:
                response = await pages.get(address, headers=ways.headers)
            if figures:
                shown = "awake" in await response.get_json()
                assert (response.status_code, shown) == (200, verdict == YES), (row, who)
            elif verdict == YES:
                assert response.status_code == 200, (row, who)
            else:
                assert (await response.get_json())["error"]["name"] == full_name("", verdict), (row, who)
