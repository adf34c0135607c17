"""What answers `/unsubscribe` on a node, where GREENROOM_UNSUBSCRIBE_URL has mails lead there."""

from collections.abc import Awaitable, Callable
from typing import Any

from greenroom.actors.inbox.messages import Prefer
from greenroom.actors.model.kinds import Kinds
from greenroom.config.settings import Settings
from greenroom.transports.notices.unsubscribe import Unsubscribing

Ask = Callable[[str, Prefer], Awaitable[Any]]


def unsubscribing_of(settings: Settings, kinds: Kinds, ask: Ask) -> tuple[Unsubscribing, Ask] | None:
    """None: mails have no such links, or there are no inboxes."""
    notices = settings.notices
    if not notices.unsubscribe_url or notices.secret is None or "inbox" not in kinds:
        return None
    return Unsubscribing(notices.secret.get_secret_value().encode()), ask
