"""The webhook sink on a node with a real Postgres, against a receiver that fails in every way."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
import trio
from pydantic import SecretStr

from greenroom import BatchRefused, Gone, Unreachable
from greenroom.actors.sinks.installed import DEADLINE_MAX_S
from greenroom.config.limits import SinkConfig
from greenroom.sinks import WebhookSink
from greenroom.transports.webhooks.client import Answer
from greenroom.transports.webhooks.sink import check, seconds_of
from tests.actors.views.shows import Clapped, Renamed
from tests.supervisors.views import stage as stages
from tests.supervisors.views.stage import record, stage, until
from tests.transports.webhooks.receiver import Receiver, answer, receiver

KEY = b"k" * 32
SECRET = "whsec_" + base64.b64encode(KEY).decode()


class Hooks(WebhookSink):
    of = (Clapped, Renamed)


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are set once the receiver's port is known."""
    made = SinkConfig(webhook_secret=SecretStr(SECRET), webhook_private_addresses=True, webhook_timeout_s=0.5)
    monkeypatch.setattr(stages, "SINK_CONFIG", made)


def hooks(far: Receiver) -> type[WebhookSink]:
    return type("Hooks", (Hooks,), {"of": Hooks.of, "url": far.url})


async def test_what_is_recorded_comes_signed(database_url: str, config: None) -> None:
    async with receiver() as far, stage(database_url, hooks(far)) as node:
        await node.clap("finale", "ann", 3)
        await node.folded("hooks")
    (request,) = far.requests
    (event,) = request.sent["events"]
    assert request.sent["sink"] == "hooks"
    assert event["data"] == {"user": "ann", "times": 3}
    assert (event["entity"], event["offset"], event["type"]) == ("show:finale", 1, "show.clapped")
    assert event["epoch"] and event["at"] > 1_700_000_000_000
    headers = request.headers
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    expected = base64.b64encode(hmac.new(KEY, content, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


@pytest.mark.parametrize(
    "answers",
    [
        [answer(500)] * 3,
        [answer(429, "retry-after: 0")] * 2,
        [answer(503)] * 2,
        [answer(302, "location: /elsewhere")],
        [answer(404)],
        [b""] * 3,
        [None],
        [b"nonsense\r\n\r\n"] * 2,
        [b"HTTP/1.1 200 OK\r\nconte", b"", answer(401)],
    ],
    ids=["500", "429", "503", "302", "404", "dies", "slow", "nonsense", "dies midway"],
)
async def test_a_receiver_that_fails_gets_all_in_order_later(
    database_url: str, config: None, answers: list[bytes | None]
) -> None:
    async with receiver() as far, stage(database_url, hooks(far)) as node:
        far.answers += answers
        for show in ("a", "b"):
            await record(node.pool, f"show:{show}", *(Clapped(user="ann") for _ in range(3)))
        await node.runners.versions.ring("hooks")
        await node.folded("hooks")
        assert not await node.parked("hooks")
    for show in ("a", "b"):
        offsets = [offset for entity, offset in far.taken if entity == f"show:{show}"]
        assert list(dict.fromkeys(offsets)) == [1, 2, 3]  # what was answered halfway comes again


async def test_what_is_refused_parks_its_entity(database_url: str, config: None) -> None:
    async with receiver() as far, stage(database_url, hooks(far)) as node:
        await node.clap("good", "ann", 1)
        await node.folded("hooks")
        far.answers += [answer(422)]
        await node.clap("bad", "ann", 1)
        await node.folded("hooks")
        assert list(await node.parked("hooks")) == ["show:bad"]
        await node.clap("good", "ann", 1)
        await node.folded("hooks")
    assert far.taken == [("show:good", 1), ("show:good", 2)]


async def test_410_pauses(database_url: str, config: None) -> None:
    async with receiver() as far, stage(database_url, hooks(far)) as node:
        far.answers += [answer(410)]
        await node.clap("finale", "ann", 1)

        async def is_paused() -> bool:
            return (await node.version("hooks")).paused

        await until(is_paused)
        await trio.sleep(0.5)
        assert len(far.requests) == 1


async def test_without_settings_it_rests_and_says_so(database_url: str) -> None:
    async with stage(database_url, Hooks) as node:
        await node.clap("finale", "ann", 1)

        async def rests() -> bool:
            return node.instruments.sink_resting.get(("hooks", "1")) == 1

        await until(rests)
        assert not await node.parked("hooks")


@pytest.mark.parametrize(
    ("status", "error"), [(410, Gone), (413, BatchRefused), (429, Unreachable), (500, RuntimeError)]
)
def test_what_an_answer_means(status: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        check(Answer(status, ""), now=0)


@pytest.mark.parametrize("timeout_s", [0.5, 15.0, 300.0])
def test_a_call_has_as_long_as_the_setting_says(timeout_s: float) -> None:
    assert timeout_s < Hooks(SinkConfig(webhook_timeout_s=timeout_s)).deadline_s <= DEADLINE_MAX_S


def test_retry_after() -> None:
    now = 1_700_000_000.0
    assert seconds_of("17", now=now) == 17
    assert seconds_of(format_datetime(datetime.fromtimestamp(now + 9, UTC), usegmt=True), now=now) == 9
    assert seconds_of("soon", now=now) is None and seconds_of("", now=now) is None and seconds_of("-5", now=now) is None


def test_no_secret_is_shown() -> None:
    assert SECRET not in repr(SinkConfig(webhook_secret=SecretStr(SECRET)))
