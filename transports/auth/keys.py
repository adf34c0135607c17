"""The public keys that tokens are checked with, from a PEM or a key set (RFC 7517)."""

from typing import Literal

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError
from msgspec import UNSET, Raw, Struct, UnsetType

RSA_BITS_MIN = 2_048
Algorithm = Literal["HS256", "EdDSA", "RS256"]

PublicKey = Ed25519PublicKey | RSAPublicKey


class _Jwk(Struct):
    kty: str
    kid: str | None = None
    crv: str = ""
    use: str = "sig"
    alg: str = ""
    d: Raw | UnsetType = UNSET


class _JwkSet(Struct):
    keys: list[Raw]


def key_from_pem(pem: str) -> PublicKey:
    """Raises: ValueError when it is unusable; the text holds no key."""
    try:
        return _usable(load_pem_public_key(pem.encode()))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"the public key is not a usable PEM: {error}") from None


def algorithm_of(key: PublicKey) -> Algorithm:
    """The one algorithm that a key is for."""
    return "EdDSA" if isinstance(key, Ed25519PublicKey) else "RS256"


def keys_from_jwks(text: bytes, algorithm: Algorithm | None = None) -> dict[str | None, PublicKey]:
    """The signing keys of a set, by `kid`; with `algorithm` those for it alone. Keys of other kinds are skipped.

    Raises: ValueError when the set is unusable, or holds a secret or a private key; the text holds no key.
    """
    try:
        entries = msgspec.json.decode(text, type=_JwkSet).keys
        keys: dict[str | None, PublicKey] = {}
        for raw in entries:
            jwk = msgspec.json.decode(raw, type=_Jwk)
            if jwk.kty == "oct" or jwk.d is not UNSET:
                raise ValueError("it holds a secret or a private key")
            if jwk.use != "sig":
                continue
            if jwk.kty == "OKP" and jwk.crv == "Ed25519":
                key = _usable(OKPAlgorithm.from_jwk(bytes(raw).decode()))
            elif jwk.kty == "RSA" and jwk.alg in ("", "RS256"):
                key = _usable(RSAAlgorithm.from_jwk(bytes(raw).decode()))
            else:
                continue
            if algorithm is not None and algorithm_of(key) != algorithm:
                continue
            if jwk.kid in keys:
                raise ValueError("two of its keys have the same kid")
            keys[jwk.kid] = key
    except (PyJWTError, msgspec.MsgspecError, UnicodeError, ValueError, UnsupportedAlgorithm, RecursionError) as error:
        raise ValueError(f"the key set is not usable: {error}") from None
    if not keys:
        raise ValueError(f"the key set has no {algorithm or 'EdDSA or RS256'} signing key")
    return keys


def _usable(key: object) -> PublicKey:
    if isinstance(key, RSAPublicKey) and key.key_size < RSA_BITS_MIN:
        raise ValueError(f"an RSA key needs at least {RSA_BITS_MIN} bits")
    if not isinstance(key, Ed25519PublicKey | RSAPublicKey):
        raise ValueError("it is neither an Ed25519 nor an RSA public key")
    return key
