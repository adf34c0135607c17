"""Whether a node answers `/unsubscribe`."""

from typing import Any

from greenroom.actors.inbox.actor import Inbox
from greenroom.actors.model.kinds import Kinds
from greenroom.config.settings import load_settings
from greenroom.supervisors.node.unsubscribing import unsubscribing_of

WHERE = "https://greenroom.example/unsubscribe"


async def ask(entity: str, message: Any) -> None: ...


def test_it_does_where_mails_lead_there_and_there_are_inboxes() -> None:
    kinds = Kinds([Inbox])
    settings = load_settings(unsubscribe_url=WHERE, unsubscribe_secret=32 * "u")
    found = unsubscribing_of(settings, kinds, ask)
    assert found is not None and found[1] is ask
    user, _ = found[0].check({**_query(found[0].query_of("ann", "mail", ["like"]))})
    assert user == "ann"
    assert unsubscribing_of(settings, Kinds([]), ask) is None
    assert unsubscribing_of(load_settings(auth_secret=32 * "a"), kinds, ask) is None


def _query(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split("&"))
