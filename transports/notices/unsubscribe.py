"""Links in mails that end such mails, at one click and without signing in (RFC 8058): signed, since whoever has one
says all that there is to know. Nothing is stored of them, and they hold for as long as their key does.

`?user=USER&channel=mail&kinds=comment.reply&signature=HEX`: an HMAC-SHA256 over whose inbox, which kinds, and by which
channel. So a link that is passed on ends these mails, and can do nothing else.
"""

import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha256
from urllib.parse import urlencode

from greenroom.actors.inbox.messages import Prefer
from greenroom.actors.inbox.preferences import KINDS, OUTSIDE
from greenroom.actors.model.errors import Refused

USER_CHARS_MAX = 255
KINDS_CHARS_MAX = 400


class Unsubscribing:
    """Under one key."""

    def __init__(self, secret: bytes) -> None:
        """`secret`: also of other things; what signs here is made of it."""
        self._key = hmac.digest(secret, b"greenroom unsubscribe links", "sha256")

    def query_of(self, user: str, channel: str, kinds: Sequence[str]) -> str:
        """Of a link that turns these kinds off."""
        named = ".".join(sorted(set(kinds)))
        fields = {"user": user, "channel": channel, "kinds": named}
        return urlencode(fields | {"signature": self._signature(user, channel, named)})

    def check(self, given: Mapping[str, str]) -> tuple[str, list[Prefer]]:
        """Whose inbox is to be told what. Raises: Refused. What is compared takes as long whatever it is."""
        user, channel, named = given.get("user", ""), given.get("channel", ""), given.get("kinds", "")
        is_bounded = 0 < len(user) <= USER_CHARS_MAX and len(named) <= KINDS_CHARS_MAX and channel in OUTSIDE
        expected = self._signature(user, channel, named) if is_bounded else ""
        signature = given.get("signature", "")
        if not is_bounded or not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise Refused("inbox.link", "this link was not made here, or is not whole", status=403)
        wanted = named.split(".")
        # A kind that is no more needs no turning off.
        return user, [Prefer(kind=kind, channel=channel, pace="off") for kind in KINDS if kind in wanted]  # type: ignore[arg-type]

    def _signature(self, user: str, channel: str, named: str) -> str:
        # Kinds and channels are words of ours, without a line end; what a user id has comes last.
        content = f"{channel}\n{named}\n{user}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, content, sha256).hexdigest()
