"""A link in a mail: to look changes nothing, one click ends such mails."""

from typing import Any

import pytest
import trio
from quart import Quart
from quart_trio import QuartTrio

from greenroom import Refused
from greenroom.actors.inbox.messages import Prefer
from greenroom.actors.model.errors import Unavailable
from greenroom.transports.notices.unsubscribe import Unsubscribing
from greenroom.transports.pages import unsubscribing
from greenroom.transports.pages.unsubscribing import unsubscribe_routes

LINKS = Unsubscribing(32 * b"k")
ADDRESS = f"/unsubscribe?{LINKS.query_of('ann', 'mail', ['like'])}"
OFF = ("inbox:ann", Prefer(kind="like", channel="mail", pace="off"))


class Inboxes:
    def __init__(self) -> None:
        self.told: list[tuple[str, Prefer]] = []
        self.error: Exception | None = None
        self.takes_s = 0.0

    async def ask(self, entity: str, message: Prefer) -> Any:
        await trio.sleep(self.takes_s)
        if self.error is not None:
            raise self.error
        self.told.append((entity, message))


def app(inboxes: Inboxes) -> Quart:
    pages = QuartTrio(__name__)
    pages.register_blueprint(unsubscribe_routes(LINKS, inboxes.ask))
    return pages


async def test_one_click_ends_such_mails_and_again_is_no_harm() -> None:
    inboxes = Inboxes()
    client = app(inboxes).test_client()
    looked = await client.get(ADDRESS)
    assert looked.status_code == 200 and inboxes.told == []
    assert "ann" not in await looked.get_data(as_text=True)
    assert "form-action 'self'" in looked.headers["Content-Security-Policy"]
    for _ in range(2):
        done = await client.post(ADDRESS, data=b"List-Unsubscribe=One-Click")
        assert done.status_code == 200
    assert inboxes.told == [OFF, OFF]


async def test_a_link_that_was_changed_does_nothing() -> None:
    inboxes = Inboxes()
    client = app(inboxes).test_client()
    for address in ("/unsubscribe", ADDRESS.replace("ann", "bob"), ADDRESS[:-1]):
        assert (await client.get(address)).status_code == 403
        assert (await client.post(address)).status_code == 403
    assert inboxes.told == []


@pytest.mark.parametrize(
    ("error", "status"), [(Unavailable("away"), 503), (Refused("forgotten", "for good", status=410), 200)]
)
async def test_where_it_can_not_be_done_now_the_reader_of_mail_tries_again(error: Exception, status: int) -> None:
    inboxes = Inboxes()
    inboxes.error = error
    assert (await app(inboxes).test_client().post(ADDRESS)).status_code == status


async def test_nobody_waits_for_an_inbox_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsubscribing, "ASK_S", 0.01)
    inboxes = Inboxes()
    inboxes.takes_s = 3_600.0
    assert (await app(inboxes).test_client().post(ADDRESS)).status_code == 503
