"""Encryption of messages to browsers: nobody on the way, the service of push above all, reads them.

As RFC 8291 has it: a key that both sides come to by their halves (ECDH on P-256) and a secret of the browser's, and one
record of `aes128gcm` (RFC 8188), with salt and our public half in front. `cryptography`, which is here for tokens
anyway, has all of it; the packages that do this bring HTTP clients of their own, which would connect anywhere.
Source: https://www.rfc-editor.org/rfc/rfc8291, https://www.rfc-editor.org/rfc/rfc8292
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PLAIN_MAX = 3_993  # bytes of a message: services take 4,096 of a body
RECORD = 4_096
TOKEN_S = 12 * 3_600  # RFC 8292: a day at most
_CURVE = ec.SECP256R1()


def decoded(text: str) -> bytes:
    """base64url, with or without `=`. Raises: ValueError."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def encrypted(
    plain: bytes, p256dh: str, auth: str, *, ours: ec.EllipticCurvePrivateKey | None = None, salt: bytes = b""
) -> bytes:
    """The body for the browser with these keys. `ours` and `salt` are made, and used once, unless given.

    Raises: ValueError for keys that are none, or a message that is too long.
    """
    if len(plain) > PLAIN_MAX:
        raise ValueError(f"a message has at most {PLAIN_MAX} bytes")
    theirs_raw, secret = decoded(p256dh), decoded(auth)
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, theirs_raw)
    ours = ours or ec.generate_private_key(_CURVE)
    salt = salt or os.urandom(16)
    ours_raw = public_of(ours)
    shared = _derived(secret, ours.exchange(ec.ECDH(), theirs), b"WebPush: info\0" + theirs_raw + ours_raw, 32)
    key = _derived(salt, shared, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(salt, shared, b"Content-Encoding: nonce\0", 12)
    head = salt + RECORD.to_bytes(4, "big") + bytes((len(ours_raw),)) + ours_raw
    return head + AESGCM(key).encrypt(nonce, plain + b"\x02", None)


def public_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def vapid_key(secret: str) -> ec.EllipticCurvePrivateKey:
    """Of 32 bytes in base64url. Raises: ValueError."""
    return ec.derive_private_key(int.from_bytes(decoded(secret), "big"), _CURVE)


def authorization(endpoint: str, key: ec.EllipticCurvePrivateKey, subject: str, now_s: float) -> str:
    """Who sends it, for the service behind that endpoint: the header `Authorization` of RFC 8292."""
    split = urlsplit(endpoint)
    claims = {"aud": f"{split.scheme}://{split.netloc}", "exp": int(now_s) + TOKEN_S, "sub": subject}
    return f"vapid t={jwt.encode(claims, key, algorithm='ES256')}, k={encoded(public_of(key))}"


def _derived(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)
