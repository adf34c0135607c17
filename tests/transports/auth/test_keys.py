"""Keys: which of a set are for signing, and which can't be used."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from greenroom.transports.auth.keys import algorithm_of, key_from_pem, keys_from_jwks

ED = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC = ec.generate_private_key(ec.SECP256R1())


def pem(key: Any) -> str:
    text: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


def jwk(key: Any, **fields: str) -> dict[str, Any]:
    algorithm: Any = {id(ED): OKPAlgorithm, id(EC): ECAlgorithm}.get(id(key), RSAAlgorithm)
    return {**json.loads(algorithm.to_jwk(key.public_key())), **fields}


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def test_each_key_is_for_one_algorithm() -> None:
    assert [algorithm_of(key_from_pem(pem(key))) for key in (ED, RSA)] == ["EdDSA", "RS256"]


def test_of_a_set_those_for_signing_are_taken_by_their_names() -> None:
    found = keys_from_jwks(
        jwks(
            jwk(ED, kid="ed"),
            jwk(RSA, kid="rsa"),
            jwk(RSA, kid="encrypts", use="enc"),
            jwk(RSA, kid="other hash", alg="RS512"),
            jwk(EC, kid="other curve"),
        )
    )
    assert {kid: algorithm_of(key) for kid, key in found.items()} == {"ed": "EdDSA", "rsa": "RS256"}
    assert list(keys_from_jwks(jwks(jwk(ED, kid="ed"), jwk(RSA)), "RS256")) == [None]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"[", "not usable"),
        (b"{}", "not usable"),
        (jwks(), "no EdDSA or RS256 signing key"),
        (jwks(jwk(EC)), "no EdDSA or RS256 signing key"),
        (jwks({"kty": "oct", "k": "c2VjcmV0"}), "a secret or a private key"),
        (jwks(json.loads(OKPAlgorithm.to_jwk(ED))), "a secret or a private key"),
        (jwks(jwk(WEAK)), "at least 2048 bits"),
        (jwks(jwk(ED, kid="a"), jwk(RSA, kid="a")), "the same kid"),
    ],
)
def test_an_unusable_set_says_why_and_quotes_no_key(text: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        keys_from_jwks(text)
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(("text", "why"), [(pem(EC), "neither"), (pem(WEAK), "2048 bits"), ("x", "not a usable PEM")])
def test_an_unusable_pem_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        key_from_pem(text)
