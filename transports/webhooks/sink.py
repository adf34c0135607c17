"""The webhook sink: events handed to a URL, a signed POST a batch.

    class Orders(WebhookSink, version=1):       # GREENROOM_WEBHOOK_URLS=orders=https://example.org/hooks
        of = (Ordered, Cancelled)

The body is a JSON object: `events`, a list, each with its `entity`, `epoch`, `offset`, `type`, `at` (Unix ms) and
`data`, and the sink's name as `sink`.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import ClassVar

import msgspec
import trio

from greenroom.actors.sinks.errors import BatchRefused, Gone, Unreachable
from greenroom.actors.sinks.item import item
from greenroom.actors.sinks.sink import Batch, Sink
from greenroom.config.limits import SinkConfig
from greenroom.transports.webhooks.addresses import PrivateAddress
from greenroom.transports.webhooks.client import Answer, Broken, WebhookClient
from greenroom.transports.webhooks.signing import id_of, keys_of, signed

# What was sent is wrong, says the receiver, and would be wrong again. Whatever else it says is about itself.
REFUSED = frozenset((400, 409, 413, 415, 422))

ENDS_S = 5.0  # behind GREENROOM_WEBHOOK_TIMEOUT_S, which is to be what ends a request


class WebhookSink(Sink):
    """Subclass it with an `of`. URL and secret are settings; an attribute `url` takes the setting's place."""

    url: ClassVar[str] = ""

    def __init__(self, config: SinkConfig) -> None:
        super().__init__(config)
        self.deadline_s = config.webhook_timeout_s + ENDS_S
        self._client: WebhookClient | None = None

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Raises: Unreachable when a setting is missing."""
        url, secret = self.url or self.config.webhook_urls.get(self.name, ""), self.config.webhook_secret
        private = self.config.webhook_private_addresses
        if not url:
            raise Unreachable(f"GREENROOM_WEBHOOK_URLS has no URL for {self.name}")
        if secret is None:
            raise Unreachable("GREENROOM_WEBHOOK_SECRET is not set")
        if not url.startswith("https://") and not private:
            raise Unreachable(f"the URL of {self.name} is not https://")
        self._keys = keys_of(secret.get_secret_value())
        self._client = self.client(url, private=private)
        try:
            yield
        finally:
            await self._client.aclose()

    def client(self, url: str, *, private: bool) -> WebhookClient:
        """What sends. Override it for certificates of your own."""
        return WebhookClient(url, private=private)

    async def deliver(self, batch: Batch) -> None:
        """See Sink. Raises: Unreachable, BatchRefused, Gone; RuntimeError where the receiver breaks."""
        assert self._client is not None
        body = msgspec.json.encode({"sink": self.name, "events": [item(batch, event, of) for event, of in batch]})
        id_ = id_of(self.name, [(of.entity, batch.epoch(of), of.offset) for _, of in batch])
        headers = [("content-type", "application/json"), ("user-agent", "greenroom")]
        headers += signed(id_, int(time.time()), body, self._keys)
        try:
            with trio.fail_after(self.config.webhook_timeout_s):
                answer = await self._client.post(body, headers)
        except (OSError, trio.BrokenResourceError, Broken, PrivateAddress) as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        check(answer, now=time.time())


def check(answer: Answer, *, now: float) -> None:
    """Raises: BatchRefused, Gone; RuntimeError for a 500; Unreachable for all else that is not 2xx, also a redirect,
    which is not followed."""
    status = answer.status
    if 200 <= status < 300:
        return
    why = f"it was answered with {status}"
    if status == 410:
        raise Gone(why)
    if status in REFUSED:
        raise BatchRefused(why)
    if status == 500:
        raise RuntimeError(why)  # it may be this event that the receiver breaks at, or any
    raise Unreachable(why, retry_after_s=seconds_of(answer.retry_after, now=now))


def seconds_of(retry_after: str, *, now: float) -> float | None:
    """Of the header Retry-After, RFC 9110 section 10.2.3: seconds, or a date. None where it is neither."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(parsedate_to_datetime(text).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None
