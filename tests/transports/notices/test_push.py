"""Messages to browsers, to a receiver that decrypts them."""

import jwt
import msgspec
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace

from greenroom.actors.inbox.deliveries.orders import Outcome
from greenroom.actors.inbox.messages import Still, StillSo
from greenroom.transports.notices.encryption import encoded, public_of, vapid_key
from greenroom.transports.notices.push import SendPush
from tests.transports.notices.receivers import Browser, Inboxes, bytes_of

PRIVATE = encoded((7).to_bytes(32, "big"))


class Service:
    """A service of push: it keeps what is sent to it, and answers with a status."""

    def __init__(self, status: int = 201) -> None:
        self.status = status
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.port = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            data = b""
            while b"\r\n\r\n" not in data:
                data += await stream.receive_some()
            head, _, body = data.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:])
            raw = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
            headers["authorization"] = {name.lower(): value for name, value in raw.items()}["authorization"]
            while len(body) < int(headers["content-length"]):
                body += await stream.receive_some()
            self.requests.append((headers, body))
            await stream.send_all(b"HTTP/1.1 %d Whatever\r\ncontent-length: 0\r\n\r\n" % self.status)


async def sent(
    monkeypatch: pytest.MonkeyPatch, service: Service, browser: Browser, work: Inboxes | None = None
) -> Outcome:
    monkeypatch.setenv("GREENROOM_VAPID_PRIVATE_KEY", PRIVATE)
    monkeypatch.setenv("GREENROOM_VAPID_SUBJECT", "mailto:ops@example.org")
    monkeypatch.setenv("GREENROOM_WEBHOOK_PRIVATE_ADDRESSES", "true")
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    service.port = listener.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, service.serve, [listener])
        endpoint = f"http://127.0.0.1:{service.port}/send/abc"
        try:
            told = order(endpoint, browser)
            return await (told if work is None else replace(told, user="ann", groups=[4], since=9)).run(work)
        finally:
            nursery.cancel_scope.cancel()
    raise AssertionError


def order(endpoint: str, browser: Browser) -> SendPush:
    payload = msgspec.json.encode({"title": "ann commented"}).decode()
    return SendPush(
        provider="x", id="1", endpoint=endpoint, p256dh=browser.p256dh, auth=browser.auth, payload=payload, topic="t1"
    )


async def test_a_browser_reads_what_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    service, browser = Service(), Browser()
    assert await sent(monkeypatch, service, browser) == Outcome()
    ((headers, body),) = service.requests
    assert msgspec.json.decode(browser.read(body)) == {"title": "ann commented"} and b"ann" not in body
    assert headers["content-encoding"] == "aes128gcm" and headers["topic"] == "t1" and int(headers["ttl"]) > 0
    token, _, key = headers["authorization"].removeprefix("vapid t=").partition(", k=")
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes_of(key))
    claims = jwt.decode(token, point, algorithms=["ES256"], audience=f"http://127.0.0.1:{service.port}")
    assert claims["sub"] == "mailto:ops@example.org" and key == encoded(public_of(vapid_key(PRIVATE)))


@pytest.mark.parametrize("status", [404, 410])
async def test_a_browser_that_is_gone(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    assert (await sent(monkeypatch, Service(status), Browser())).state == "gone"


async def test_a_service_that_is_down_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BaseExceptionGroup) as error:
        await sent(monkeypatch, Service(503), Browser())
    assert error.group_contains(RuntimeError, match="503")


async def test_keys_that_are_none_are_no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_VAPID_PRIVATE_KEY", PRIVATE)
    monkeypatch.setenv("GREENROOM_VAPID_SUBJECT", "mailto:ops@example.org")
    bad = SendPush(provider="x", id="1", endpoint="https://x.example", p256dh="A" * 87, auth="A" * 22, payload="{}")
    assert await bad.run(None) == Outcome("gone", "its keys are none")


async def test_without_a_key_of_ours_it_waits_for_a_worker_that_has_one() -> None:
    with pytest.raises(RuntimeError, match="GREENROOM_VAPID_PRIVATE_KEY"):
        await order("https://x.example", Browser()).run(None)


async def test_what_it_tells_of_is_sent_as_it_is_by_then(monkeypatch: pytest.MonkeyPatch) -> None:
    service, browser = Service(), Browser()
    now = Inboxes(Still(body='{"title":"now"}', left_out=["x"]))
    assert await sent(monkeypatch, service, browser, now) == Outcome(left_out=["x"])
    assert now.asked == [("inbox:ann", StillSo(channel="push", groups=[4], since=9, job="job1"))]
    gone = await sent(monkeypatch, service, browser, Inboxes(Still(reason="it was withdrawn before", left_out=["y"])))
    assert gone == Outcome("refused", "it was withdrawn before", ["y"])
    ((_, body),) = service.requests
    assert msgspec.json.decode(browser.read(body)) == {"title": "now"}
