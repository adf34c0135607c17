"""Tokens that this node signs are tokens that it believes."""

import pytest

from greenroom.transports.auth.signer import TokenSigner
from greenroom.transports.auth.tokens import TokenConfig, TokenExpired, TokenVerifier

NOW = 1_800_000_000.7
SECRET = b"a secret of more than thirty-two bytes"


def test_signed_tokens_verify() -> None:
    config = TokenConfig(secret=SECRET, issuer="us", audience="greenroom")
    token = TokenSigner(config, lambda: NOW).connection_token("ann", roles=["b", "a", "a"], ttl_s=900)
    claims = TokenVerifier(config, lambda: NOW).verify_connection(token)
    assert (claims.user, claims.roles, claims.expires_at) == ("ann", frozenset({"a", "b"}), 1_800_000_900)
    assert claims.issued_at == 1_800_000_000.999  # it was made in that second, and nothing tells when
    with pytest.raises(TokenExpired):
        TokenVerifier(config, lambda: NOW + 900).verify_connection(token)


def test_what_would_not_verify_is_not_signed() -> None:
    signer = TokenSigner(TokenConfig(secret=SECRET), lambda: NOW)
    for user, roles, ttl_s in (("a" * 256, [], 900.0), ("ann", [""], 900.0), ("ann", [], 0.0)):
        with pytest.raises(ValueError):
            signer.connection_token(user, roles=roles, ttl_s=ttl_s)
    with pytest.raises(ValueError, match="secret"):
        TokenSigner(TokenConfig(public_key="-----BEGIN PUBLIC KEY-----"), lambda: NOW)
