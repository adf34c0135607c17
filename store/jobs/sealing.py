"""Sealing: JSON of jobs that nobody reads who has not the keys of this deployment (GREENROOM_JOBS_KEYS).

    {"$sealed": "2.KEY.BASE64", "of": "job.pay", "job": "018f…", "as": "result"}

AES-256-GCM under the newest key, with a nonce of chance and its place authenticated: of which class, of which job, and
as what of it. So nothing opens where it was not sealed for: not a result as arguments, nor what one job was given in
another. KEY says which one, by the first bytes of its hash, so that older ones open what they have sealed. Keys are
the process's, as its settings are: whoever makes a job's row has no other way to them.

The release before wrote `1.KEY.BASE64` and authenticated the class alone. That opens as it did.
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
from msgspec.structs import replace

from greenroom.store.journal.consequences.jobs import SEALED

KEY_BYTES = 32
NONCE_BYTES = 12
BY_CLASS = "1"  # of which only the class is authenticated
BY_PLACE = "2"
ARGUMENTS, RESULT = "arguments", "result"


class CannotOpen(Exception):
    """The key is not here, or it is nothing that this key has sealed. The text says which key; never what is sealed."""


class NotOpenedHere(CannotOpen):
    """Others may: it is of a key that is not here, or of a later release."""


class NoKeys(Exception):
    """There is nothing to seal it with."""


class Place(Struct, frozen=True):
    """Where it belongs. "": whatever it says itself, for who does not know."""

    of: str  # the class, by its tag
    job: str  # its id: no other job of any queue has it
    what: str  # ARGUMENTS, RESULT, or as `as_step` says


class _Sealed(Struct, rename={"text": "$sealed", "what": "as"}, omit_defaults=True):
    text: str
    of: str = ""
    job: str = ""
    what: str = ""


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


def as_step(name: str) -> str:
    """As what the result of that step is sealed."""
    return f"step {name}"


def is_for(stored: bytes | Raw, place: Place) -> bool:
    """Does it say so? That only holds if it opens. What the release before has sealed says of which class it is."""
    try:
        sealed = msgspec.json.decode(stored, type=_Sealed)
    except msgspec.DecodeError:
        return False
    return sealed.of == place.of and (_is_by_class(sealed) or (sealed.job, sealed.what) == (place.job, place.what))


def seal(plain: bytes | Raw, place: Place) -> bytes:
    """Raises: NoKeys."""
    if not _Keys.by_id:
        raise NoKeys(f"{place.of} is encrypted, and GREENROOM_JOBS_KEYS is unset here")
    key, cipher = next(iter(_Keys.by_id.items()))
    nonce = token_bytes(NONCE_BYTES)
    text = b64encode(nonce + cipher.encrypt(nonce, bytes(plain), _authenticated(place))).decode()
    return msgspec.json.encode(_Sealed(f"{BY_PLACE}.{key}.{text}", place.of, place.job, place.what))


def unnamed(sealed: bytes) -> bytes:
    """The same without its class, which it opens with: as it goes to a queue that is to give its job the very id that
    it was sealed for. A queue of the release before refuses it, and would give the job another one."""
    return msgspec.json.encode(replace(msgspec.json.decode(sealed, type=_Sealed), of=""))


def named(stored: bytes | Raw, of: str) -> bytes:
    """What was `unnamed`, as it is stored."""
    return msgspec.json.encode(replace(msgspec.json.decode(stored, type=_Sealed), of=of))


def removed(of: str) -> bytes:
    """In place of what can't be sealed, and is not to stay: nobody opens it."""
    return msgspec.json.encode(_Sealed("", of))


def opened(stored: bytes | Raw, place: Place) -> bytes:
    """What is sealed, if it belongs there.

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
    if version not in (BY_CLASS, BY_PLACE):
        raise NotOpenedHere(f"it was sealed by a later release, as {version[:20]}")
    if place.of and sealed.of != place.of:
        raise CannotOpen(f"it was sealed as {sealed.of[:255]}")
    said = Place(sealed.of, sealed.job, sealed.what)
    if version == BY_PLACE and said != _known(place, said):
        raise CannotOpen(f"it was sealed as {sealed.what[:255]} of the job {sealed.job[:32]}")
    cipher = _Keys.by_id.get(key)
    if cipher is None:
        known = ", ".join(_Keys.by_id) or "none"
        raise NotOpenedHere(f"it was sealed with the key {key[:20]}, and GREENROOM_JOBS_KEYS has {known}")
    bound = _authenticated(said) if version == BY_PLACE else sealed.of.encode()
    try:
        return cipher.decrypt(whole[:NONCE_BYTES], whole[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        raise CannotOpen(f"it is not what the key {key[:20]} has sealed") from None


def opened_if_sealed(stored: bytes | Raw, place: Place) -> bytes | Raw:
    """As it is where it is not sealed. Raises: CannotOpen."""
    return opened(stored, place) if is_sealed(stored) else stored


def _is_by_class(sealed: _Sealed) -> bool:
    return sealed.text.startswith(f"{BY_CLASS}.")


def _known(place: Place, said: Place) -> Place:
    return Place(place.of or said.of, place.job or said.job, place.what or said.what)


def _authenticated(place: Place) -> bytes:
    """No two places have the same, whatever is in their names."""
    return msgspec.json.encode((BY_PLACE, place.of, place.job, place.what))
