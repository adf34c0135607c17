"""Those who receive notices: a mail server, and a service of push whose browser decrypts.

Each is real, on loopback, and answers as it is told to.
"""

import asyncio
import ssl
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from greenroom.actors.inbox.messages import Still, StillSo
from tests.transports.webhooks.certificate import certificate


class Inboxes:
    """The Work of a job that asks an inbox before it sends."""

    id = "job1"

    def __init__(self, still: Still) -> None:
        self.still = still
        self.asked: list[tuple[str, StillSo]] = []

    async def ask(self, entity: str, message: StillSo) -> Still:
        self.asked.append((entity, message))
        return self.still


class InboxesFromThread(Inboxes):
    """Likewise, of a job that runs in a thread."""

    def ask(self, entity: str, message: StillSo) -> Still:  # type: ignore[override]
        self.asked.append((entity, message))
        return self.still


USER, PASSWORD = "greenroom", "correct horse"


class Mailbox:
    """What the mail server took."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.users: list[str] = []
        self.answers: dict[str, str] = {}  # to which command with what, such as "RCPT": "550 nobody"
        self.was_tls: list[bool] = []
        self.port = 0

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        if answer := self.answers.get("RCPT"):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if answer := self.answers.get("DATA"):
            return answer
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        self.envelopes.append((str(envelope.mail_from), [*map(str, envelope.rcpt_tos)]))
        self.was_tls.append(session.ssl is not None)
        return "250 OK"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.users.append(data.login.decode())
        is_right = (data.login.decode(), data.password.decode()) == (USER, PASSWORD)
        return AuthResult(success=is_right, handled=False)  # it is the server that says no


class OnAnyPort(Controller):
    """On a free one, by which it then looks whether it answers itself."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def mail_server(*, tls: ssl.SSLContext | None = None, auth: bool = False) -> Iterator[Mailbox]:
    mailbox = Mailbox()
    controller = OnAnyPort(
        mailbox,
        hostname="127.0.0.1",
        port=0,
        tls_context=tls,
        require_starttls=tls is not None,
        authenticator=mailbox.authenticate if auth else None,
        auth_required=auth,
    )
    controller.start()
    try:
        mailbox.port = controller.port
        yield mailbox
    finally:
        controller.stop()


def tls_server(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """What it speaks TLS with, and the file by which it is trusted."""
    public, private = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public


class Browser:
    """Its keys, and how it reads a message: written from RFC 8291 and 8188, and not from ours."""

    def __init__(self, private: int | None = None, auth: bytes = b"0123456789abcdef") -> None:
        curve = ec.SECP256R1()
        self._key = ec.generate_private_key(curve) if private is None else ec.derive_private_key(private, curve)
        self._auth = auth

    @property
    def _point(self) -> bytes:
        return self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )

    @property
    def p256dh(self) -> str:
        return text_of(self._point)

    @property
    def auth(self) -> str:
        return text_of(self._auth)

    def read(self, body: bytes) -> bytes:
        """Raises: cryptography.exceptions.InvalidTag."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, record = body[21 : 21 + length], body[21 + length :]
        assert len(record) <= size and length == 65
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        shared = self._key.exchange(ec.ECDH(), theirs)
        ikm = HKDF(SHA256(), 32, self._auth, b"WebPush: info\x00" + self._point + sender).derive(shared)
        key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\x00").derive(ikm)
        nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\x00").derive(ikm)
        plain = AESGCM(key).decrypt(nonce, record, None).rstrip(b"\x00")
        assert plain.endswith(b"\x02"), "the last record, and the only one"
        return plain[:-1]


def text_of(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def bytes_of(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
