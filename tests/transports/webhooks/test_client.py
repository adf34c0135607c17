"""The client against a real receiver on loopback."""

import ssl
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from greenroom.transports.webhooks.addresses import PrivateAddress
from greenroom.transports.webhooks.client import BODY_MAX, Answer, Broken, WebhookClient
from tests.transports.webhooks.certificate import certificate
from tests.transports.webhooks.receiver import Receiver, answer, receiver


async def test_a_connection_is_kept() -> None:
    async with receiver() as far:
        client = WebhookClient(far.url, private=True)
        for number in range(3):
            assert await client.post(b'{"n":%d}' % number, [("x", "y")]) == Answer(200, "")
        await client.aclose()
    assert far.connections == 1 and [one.sent["n"] for one in far.requests] == [0, 1, 2]
    assert far.requests[0].headers["host"] == far.url.split("/")[2] and far.requests[0].headers["x"] == "y"


async def test_one_that_was_closed_meanwhile_is_made_anew() -> None:
    async with receiver() as far:
        client = WebhookClient(far.url, private=True)
        await client.post(b"{}", [])
        far.answers += [b""]
        assert (await client.post(b"{}", [])).status == 200
        far.answers += [b"", b""]
        with pytest.raises((Broken, trio.BrokenResourceError)):
            await client.post(b"{}", [])
        await client.aclose()


async def test_a_redirect_is_not_followed_and_headers_are_read() -> None:
    async with receiver() as far:
        far.answers += [answer(302, "location: http://127.0.0.1:1/"), answer(503, "Retry-After: 17")]
        client = WebhookClient(far.url, private=True)
        assert (await client.post(b"{}", [])).status == 302
        assert await client.post(b"{}", []) == Answer(503, "17")
        await client.aclose()


@pytest.mark.parametrize("wrong", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n"])
async def test_what_is_no_answer_is_none(wrong: bytes) -> None:
    async with receiver() as far:
        far.answers += [wrong, b""]
        client = WebhookClient(far.url, private=True)
        with trio.move_on_after(1) as scope, pytest.raises((Broken, trio.BrokenResourceError)):
            await client.post(b"{}", [])
        if wrong.startswith(b"HTTP"):
            assert scope.cancelled_caught  # whoever calls has a deadline
        await client.aclose()


@pytest.mark.bound("bytes of a webhook's answer")
async def test_of_a_long_answer_the_status_counts() -> None:
    async with receiver() as far:
        far.answers += [b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n" + b"x" * (BODY_MAX + 1)]
        client = WebhookClient(far.url, private=True)
        with trio.fail_after(5):
            assert (await client.post(b"{}", [])).status == 200
            assert (await client.post(b"{}", [])).status == 200
        assert far.connections == 2
        await client.aclose()


async def test_private_addresses_are_for_who_says_so() -> None:
    async with receiver() as far:
        with pytest.raises(PrivateAddress):
            await WebhookClient(far.url, private=False).post(b"{}", [])
    assert not far.connections


async def test_a_certificate_is_verified(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listeners = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1")
    inner = listeners[0].transport_listener
    assert isinstance(inner, trio.SocketListener)
    port = inner.socket.getsockname()[1]
    far = Receiver(port)

    async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
        with suppress(trio.BrokenResourceError):  # where it was refused
            await far.serve(stream)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        url = far.url.replace("http:", "https:")
        with pytest.raises((trio.BrokenResourceError, ssl.SSLError)):
            await WebhookClient(url, private=True).post(b"{}", [])
        assert not far.requests
        client = WebhookClient(url, private=True, tls=ssl.create_default_context(cafile=str(cert)))
        assert (await client.post(b"{}", [])).status == 200
        await client.aclose()
        elsewhere = WebhookClient(url.replace("127.0.0.1", "localhost"), private=True, tls=client._tls)
        with pytest.raises((trio.BrokenResourceError, OSError)):
            await elsewhere.post(b"{}", [])
        nursery.cancel_scope.cancel()
