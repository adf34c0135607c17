"""What an answer means, and where nothing is posted to."""

import pytest

from greenroom.actors.inbox.deliveries.orders import Outcome
from greenroom.actors.jobs.work import Snooze
from greenroom.config.limits import SinkConfig
from greenroom.transports.notices.posting import GONE, judged, post
from greenroom.transports.webhooks.client import Answer
from tests.transports.webhooks.receiver import receiver


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_taken(status: int) -> None:
    assert judged(Answer(status, ""), gone=GONE) == Outcome()


@pytest.mark.parametrize(("status", "state"), [(404, "gone"), (410, "gone"), (400, "refused"), (413, "refused")])
def test_for_good(status: int, state: str) -> None:
    assert judged(Answer(status, ""), gone=GONE).state == state


def test_of_a_url_of_ones_own_404_is_for_now() -> None:
    with pytest.raises(RuntimeError):
        judged(Answer(404, ""), gone=frozenset((410,)))


@pytest.mark.parametrize("status", [302, 429, 500, 503])
def test_for_now(status: int) -> None:
    with pytest.raises(RuntimeError, match=str(status)):
        judged(Answer(status, ""), gone=GONE)


@pytest.mark.parametrize(("header", "seconds"), [("120", 120.0), ("0", 1.0), ("99999999", 3_600.0)])
def test_too_many_rest_as_long_as_they_say(header: str, seconds: float) -> None:
    with pytest.raises(Snooze) as snooze:
        judged(Answer(429, header), gone=GONE)
    assert snooze.value.seconds == seconds


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.0.0.1", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]"]
)
async def test_nothing_is_posted_into_our_own_network(host: str) -> None:
    async with receiver() as far:
        port = far.url.split(":")[2].partition("/")[0]
        outcome = await post(f"https://{host}:{port}/hooks?a=b", b"{}", [], SinkConfig())
        assert outcome == Outcome("gone", "it leads to a private address") and not far.connections
        assert await post(far.url, b"{}", [], SinkConfig()) == Outcome("gone", "it is not https://")
        assert not far.connections


async def test_who_does_not_answer_is_tried_again_and_no_error_has_the_address() -> None:
    config = SinkConfig(webhook_private_addresses=True, webhook_timeout_s=0.05)
    async with receiver() as far:
        far.answers += [None, b""]
        for _ in range(2):
            with pytest.raises(RuntimeError) as error:
                await post(far.url, b"{}", [], config)
            assert "127.0.0.1" not in str(error.value)
    with pytest.raises(RuntimeError):
        await post(far.url, b"{}", [], config)
