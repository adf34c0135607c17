"""Links by which anybody may see one file for a while: signed, since they say all that there is to know of them.

`/media/ID/NAME?expires=UNIX&signature=HEX`, an HMAC-SHA256 over what it opens and until when. Nothing is stored of
them; what ends all of them at once is another key, and what ends one before its time is deleting the file.
"""

import hmac
from hashlib import sha256
from urllib.parse import quote

from greenroom.actors.model.errors import Refused

TTL_MAX_S = 7 * 86_400.0


class Links:
    """Under one key."""

    def __init__(self, secret: bytes) -> None:
        """`secret`: also of other things; what signs here is made of it."""
        self._key = hmac.digest(secret, b"greenroom media links", "sha256")

    def signed(self, media: str, name: str, expires: int) -> str:
        """The path and the query. `expires`: Unix s."""
        return f"/media/{media}/{quote(name)}?expires={expires}&signature={self._signature(media, name, expires)}"

    def check(self, media: str, name: str, *, expires: str, signature: str, now: float) -> int:
        """The seconds that are left. Raises: Refused. What is compared takes as long whatever it is."""
        until = int(expires) if expires.isascii() and expires.isdigit() and len(expires) <= 12 else 0
        expected = self._signature(media, name, until)
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise Refused("media.link", "this link was not made here, or is not whole")
        if until <= now:
            raise Refused("media.link_expired", "this link's time is over")
        return int(until - now)

    def _signature(self, media: str, name: str, expires: int) -> str:
        return hmac.new(self._key, f"GET\n{media}\n{name}\n{expires}".encode(), sha256).hexdigest()
