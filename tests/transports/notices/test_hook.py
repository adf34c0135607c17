"""A user's own URL, against a receiver that checks what is signed."""

import hmac
from base64 import b64decode, b64encode
from hashlib import sha256

import pytest
from msgspec.structs import replace

from greenroom.actors.inbox.deliveries.orders import Outcome
from greenroom.actors.inbox.messages import Still, StillSo
from greenroom.transports.notices.hook import SendHook
from tests.transports.notices.receivers import Inboxes
from tests.transports.webhooks.receiver import answer, receiver

SECRET = "whsec_" + b64encode(b"k" * 32).decode()


def order(url: str) -> SendHook:
    return SendHook(provider="127.0.0.1", id="abc", url=url, secret=SECRET, body='{"type":"inbox.notices"}')


async def test_its_receiver_knows_from_whom_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_WEBHOOK_PRIVATE_ADDRESSES", "true")
    async with receiver() as far:
        far.answers += [answer(503), answer(200), answer(410), answer(422)]
        with pytest.raises(RuntimeError, match="503"):
            await order(far.url).run(None)
        assert await order(far.url).run(None) == Outcome()
        assert (await order(far.url).run(None)).state == "gone"
        assert (await order(far.url).run(None)).state == "refused"
    first, second = far.requests[:2]
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "msg_abc"
    content = f"msg_abc.{second.headers['webhook-timestamp']}.".encode() + second.body
    expected = b64encode(hmac.digest(b64decode(SECRET[6:]), content, sha256)).decode()
    assert second.headers["webhook-signature"] == f"v1,{expected}" and second.sent == {"type": "inbox.notices"}


async def test_not_into_our_own_network() -> None:
    async with receiver() as far:
        assert (await order(far.url.replace("http:", "https:")).run(None)).state == "gone"
        assert not far.connections


async def test_what_it_tells_of_is_sent_as_it_is_by_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_WEBHOOK_PRIVATE_ADDRESSES", "true")
    async with receiver() as far:
        told = replace(order(far.url), user="ann", groups=[4, 2], since=9)
        far.answers.append(answer(200))
        now = Inboxes(Still(body='{"type":"now"}', left_out=["x"]))
        assert await told.run(now) == Outcome(left_out=["x"])
        assert now.asked == [("inbox:ann", StillSo(channel="hook", groups=[4, 2], since=9, job="job1"))]
        gone = await told.run(Inboxes(Still(reason="it was withdrawn before", left_out=["y"])))
        assert gone == Outcome("refused", "it was withdrawn before", ["y"])
    (request,) = far.requests
    assert request.sent == {"type": "now"}
