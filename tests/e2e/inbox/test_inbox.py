"""Notices of a real server: from a mention in a room to the channel, a mail, a browser and a URL of one's own."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from greenroom.transports.notices.encryption import encoded
from tests.e2e.event_stream import EventStream, Following
from tests.e2e.server import Server, wait_until
from tests.transports.notices.receivers import Browser, Mailbox, mail_server

INSTALLED = (
    "greenroom.actors.inbox.actor:Inbox",
    "greenroom.actors.inbox.view:Notices",
    "greenroom.transports.notices.hook:SendHook",
    "greenroom.transports.notices.mail:SendMail",
    "greenroom.transports.notices.push:SendPush",
)


class Receiver:
    """Takes every POST, and keeps it by its path."""

    def __init__(self) -> None:
        taken: dict[str, list[tuple[dict[str, str], bytes]]] = {}

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                taken.setdefault(self.path, []).append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(410 if self.path.endswith("gone") else 201)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.taken = taken
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def far() -> Iterator[Receiver]:
    with contextlib.closing(Receiver()) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as made:
        yield made


@pytest.fixture(scope="module")
def server(mailbox: Mailbox) -> Iterator[Server]:
    one = Server(
        GREENROOM_ENTITIES=",".join(INSTALLED),
        GREENROOM_WORK="deliver:4",
        GREENROOM_SMTP_SERVER=f"127.0.0.1:{mailbox.port}",
        GREENROOM_SMTP_SECURITY="plain",
        GREENROOM_SMTP_FROM="notices@greenroom.example",
        GREENROOM_VAPID_PRIVATE_KEY=encoded((7).to_bytes(32, "big")),
        GREENROOM_VAPID_SUBJECT="mailto:ops@greenroom.example",
        GREENROOM_WEBHOOK_PRIVATE_ADDRESSES="true",
    )
    one.start()
    yield one
    one.remove()


def test_a_mention_in_a_room_lands_in_the_inbox_and_goes_with_its_message(server: Server) -> None:
    for user in ("ann", "bob"):
        server.command("room:lobby", "join", user=user)
    stream = EventStream(server, "inbox:bob", user="bob")
    with Following(stream):
        wait_until(lambda: stream.views == 1, "the view")
        sent = server.command("room:lobby", "send", {"text": "hi @bob and @nobody"}, user="ann")
        wait_until(lambda: shown(stream) != [], "the notice")
        (notice,) = shown(stream)
        assert (notice["says"], notice["about"], notice["unread"]) == ("ann mentioned you", "room:lobby", 1)
        said = {"type": "inbox.said", "id": notice["id"], "text": "hi @bob and @nobody"}
        wait_until(lambda: said in told(stream), "what it says")
        history = server.request("GET", "/api/inbox/bob/history", user="bob")
        assert history.status == 200 and "inbox.group" in str(history.body) and "@nobody" not in str(history.body)
        rows = server.request("GET", f"/api/notices/bob?at=inbox:bob@{stream.offsets[-1]}", user="bob").body["rows"]
        assert [(row["says"], row["state"]) for row in rows] == [("ann mentioned you", "unread")]
        assert server.request("GET", "/api/notices/bob", user="ann").status == 403
        assert server.request("GET", "/api/inbox/bob", user="ann").status == 403
        server.command("room:lobby", "delete", {"offset": sent["offset"]}, user="ann")
        wait_until(lambda: len(shown(stream)) == 2, "the notice to go")
        assert (shown(stream)[1]["count"], shown(stream)[1]["unread"]) == (0, 0)
    assert server.request("GET", "/api/inbox/nobody", user="nobody").body["view"]["groups"] == []


def told(stream: EventStream) -> list[dict[str, object]]:
    return [event.data["data"] for event in stream.events if event.name == "message"]


def shown(stream: EventStream) -> list[dict[str, object]]:
    return [one for one in told(stream) if one["type"] == "inbox.group"]


def test_an_address_is_confirmed_by_the_code_in_its_mail(server: Server, mailbox: Mailbox) -> None:
    server.command("inbox:cat", "set_mail", {"address": "cat@example.org"}, user="cat")
    wait_until(lambda: bool(mailbox.mails), "the mail")
    payload = mailbox.mails[0].get_payload(decode=True)
    assert isinstance(payload, bytes) and mailbox.envelopes[0][1] == ["cat@example.org"]
    code = next(line for line in payload.decode().splitlines() if len(line) == 24 and " " not in line)
    wrong = server.request("POST", "/api/inbox/cat/confirm_mail", {"code": "x" * 24}, user="cat")
    assert (wrong.status, wrong.body["error"]["name"]) == (403, "inbox.wrong_code")
    server.command("inbox:cat", "confirm_mail", {"code": code}, user="cat")
    assert server.request("GET", "/api/inbox/cat", user="cat").body["view"]["mail_confirmed"] is True
    assert code not in server.log() and "cat@example.org" not in server.log()


def test_browsers_and_a_url_of_ones_own_are_told_once_whatever_is_killed(server: Server, far: Receiver) -> None:
    browser, gone = Browser(), Browser()
    for one, path in ((browser, "/push"), (gone, "/push/gone")):
        keys = {"endpoint": far.url + path, "p256dh": one.p256dh, "auth": one.auth}
        server.command("inbox:dan", "add_push", keys, user="dan")
    secret = server.command("inbox:dan", "set_hook", {"url": far.url + "/hook"}, user="dan")["secret"]
    for user in ("ann", "dan"):
        server.command("room:studio", "join", user=user)
    server.command("room:studio", "send", {"text": "look, @dan"}, user="ann")
    server.restart(kill=True)
    wait_until(lambda: len(far.taken) == 3, "all of them", within_s=30)
    ((headers, body),) = far.taken["/push"]
    assert msgspec.json.decode(browser.read(body))["title"] == "ann mentioned you"
    assert headers["authorization"].startswith("vapid t=")
    ((headers, body),) = far.taken["/hook"]
    assert headers["webhook-signature"].startswith("v1,") and headers["webhook-id"].startswith("msg_")
    assert msgspec.json.decode(body)["groups"][0]["text"] == "look, @dan"

    def settled() -> bool:
        (decision,) = server.command("inbox:dan", "why", user="dan")["decisions"]
        said = decision["channels"]
        return (said["push"], said["hook"], said["mail"]) == ("sent", "sent", "there is nowhere to send it to")

    wait_until(settled, "the decision to say so")
    wait_until(lambda: server.request("GET", "/api/inbox/dan", user="dan").body["view"]["browsers"] == 1, "one to go")
    assert [len(taken) for taken in far.taken.values()] == [1, 1, 1]
    log = server.log()
    assert secret not in log and browser.auth not in log
