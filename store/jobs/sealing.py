"""Sealing: JSON of jobs that nobody reads who has not the keys of this deployment (GREENROOM_JOBS_KEYS).

    {"$sealed": "1.KEY.BASE64", "of": "job.pay"}

AES-256-GCM under the newest key, with a nonce of chance and what it is of authenticated; KEY says which one, by the
first bytes of its hash, so that older ones open what they have sealed. Keys are the process's, as its settings are:
whoever makes a job's row has no other way to them.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from secrets import token_bytes

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Raw, Struct

from greenroom.store.journal.consequences.jobs import SEALED

KEY_BYTES = 32
NONCE_BYTES = 12
VERSION = "1"


class CannotOpen(Exception):
    """The key is not here, or it is nothing that this key has sealed. The text says which key; never what is sealed."""


class NotOpenedHere(CannotOpen):
    """Others may: it is of a key that is not here, or of a later release."""


class NoKeys(Exception):
    """There is nothing to seal it with."""


class _Sealed(Struct, rename={"text": "$sealed"}):
    text: str
    of: str = ""


class _Keys:
    """Of this process, the newest first."""

    by_id: dict[str, AESGCM] = {}  # noqa: RUF012 - the one there is


def use_keys(keys: Sequence[bytes]) -> None:
    """From now on. The first one seals."""
    _Keys.by_id = {key_id(key): AESGCM(key) for key in keys}


@contextmanager
def keys_for(*keys: bytes) -> Iterator[None]:
    """Meanwhile."""
    before = _Keys.by_id
    use_keys(keys)
    try:
        yield
    finally:
        _Keys.by_id = before


def has_keys() -> bool:
    return bool(_Keys.by_id)


def key_id(key: bytes) -> str:
    return sha256(key).hexdigest()[:8]


def is_sealed(stored: bytes | Raw) -> bool:
    return memoryview(stored)[: len(SEALED)] == SEALED


def sealed_as(stored: bytes | Raw) -> str:
    """What it says that it is of, which only holds if it opens; "": nothing."""
    try:
        return msgspec.json.decode(stored, type=_Sealed).of
    except msgspec.DecodeError:
        return ""


def seal(plain: bytes | Raw, of: str) -> bytes:
    """Raises: NoKeys."""
    if not _Keys.by_id:
        raise NoKeys(f"{of} is encrypted, and GREENROOM_JOBS_KEYS is unset here")
    key, cipher = next(iter(_Keys.by_id.items()))
    nonce = token_bytes(NONCE_BYTES)
    text = b64encode(nonce + cipher.encrypt(nonce, bytes(plain), of.encode())).decode()
    return msgspec.json.encode(_Sealed(f"{VERSION}.{key}.{text}", of))


def removed(of: str) -> bytes:
    """In place of what can't be sealed, and is not to stay: nobody opens it."""
    return msgspec.json.encode(_Sealed("", of))


def opened(stored: bytes | Raw, of: str | None = None) -> bytes:
    """What is sealed. `of`: what it must be of; None: whatever it says.

    Raises: CannotOpen; NotOpenedHere where others may.
    """
    try:
        sealed = msgspec.json.decode(stored, type=_Sealed)
        if not sealed.text:
            raise CannotOpen("it was stored in the clear, and removed when its job had ended")
        version, key, text = sealed.text.split(".")
        whole = b64decode(text, validate=True)
    except (msgspec.DecodeError, ValueError):
        raise CannotOpen("it is marked as sealed, and is not") from None
    if version != VERSION:
        raise NotOpenedHere(f"it was sealed by a later release, as {version[:20]}")
    if of is not None and sealed.of != of:
        raise CannotOpen(f"it was sealed as {sealed.of[:255]}")
    cipher = _Keys.by_id.get(key)
    if cipher is None:
        known = ", ".join(_Keys.by_id) or "none"
        raise NotOpenedHere(f"it was sealed with the key {key[:20]}, and GREENROOM_JOBS_KEYS has {known}")
    try:
        return cipher.decrypt(whole[:NONCE_BYTES], whole[NONCE_BYTES:], sealed.of.encode())
    except (InvalidTag, ValueError):
        raise CannotOpen(f"it is not what the key {key[:20]} has sealed") from None


def opened_if_sealed(stored: bytes | Raw, of: str | None = None) -> bytes | Raw:
    """As it is where it is not sealed. Raises: CannotOpen."""
    return opened(stored, of) if is_sealed(stored) else stored
