"""Posting to an address that a user has given: once, within a deadline, and never into our own network."""

import time
from collections.abc import Sequence

import trio

from greenroom.actors.inbox.deliveries.orders import Outcome
from greenroom.actors.jobs.work import Snooze
from greenroom.config.limits import SinkConfig
from greenroom.transports.webhooks.addresses import PrivateAddress
from greenroom.transports.webhooks.client import Answer, Broken, WebhookClient
from greenroom.transports.webhooks.sink import seconds_of

SNOOZE_S_MAX = 3_600.0
GONE = frozenset((404, 410))  # of a service of push; a URL of a user's own says 410
WRONG = frozenset((400, 401, 403, 409, 413, 415, 422))  # it would be wrong again
TOO_MANY = 429


async def post(url: str, body: bytes, headers: Sequence[tuple[str, str]], config: SinkConfig) -> Answer | Outcome:
    """The answer, or what becomes of it where nobody may be asked. Raises: RuntimeError where trying again may help."""
    private = config.webhook_private_addresses
    if not url.startswith("https://") and not private:
        return Outcome("gone", "it is not https://")
    client = WebhookClient(url, private=private)
    try:
        with trio.fail_after(config.webhook_timeout_s):
            return await client.post(body, headers)
    except PrivateAddress:
        return Outcome("gone", "it leads to a private address")
    except (OSError, trio.BrokenResourceError, trio.TooSlowError, Broken) as error:
        raise RuntimeError(f"it can't be reached: {type(error).__name__}") from None  # its text may have the address
    finally:
        await client.aclose()


def judged(answer: Answer | Outcome, *, gone: frozenset[int]) -> Outcome:
    """Raises: Snooze for 429 with a time; RuntimeError where trying again may help."""
    if isinstance(answer, Outcome):
        return answer
    status, says = answer.status, f"it was answered with {answer.status}"
    if 200 <= status < 300:
        return Outcome()
    if status in gone:
        return Outcome("gone", says)
    if status in WRONG:
        return Outcome("refused", says)
    rest_s = seconds_of(answer.retry_after, now=time.time())
    if status == TOO_MANY and rest_s is not None:
        raise Snooze(min(max(rest_s, 1.0), SNOOZE_S_MAX))
    raise RuntimeError(says)
