"""Who sends an HTTP request."""

from collections.abc import Mapping

import msgspec

from actors.errors import ActorError
from actors.principal import Principal
from transports.tokens import TokenExpired, TokenInvalid, TokenVerifier

USER_BYTES_MAX = 128


class Unauthenticated(ActorError):
    """No token, or one that does not count."""

    name, status = "unauthenticated", 401


class TokenHasExpired(Unauthenticated):
    """Fetch another token."""

    name = "token_expired"


def http_principal(headers: Mapping[bytes, bytes], tokens: TokenVerifier | None, *, anonymous: bool) -> Principal:
    """From `Authorization: Bearer`; where the anonymous are let in also `X-Greenroom-User`. Raises: Unauthenticated."""
    authorization = headers.get(b"authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or tokens is None:
            raise Unauthenticated("the Authorization header must be `Bearer TOKEN`")
        try:
            claims = tokens.verify_connection(token.strip().decode("latin-1"))
        except TokenExpired:
            raise TokenHasExpired("the token has expired") from None
        except TokenInvalid as error:
            raise Unauthenticated(str(error)) from None
        return _principal(claims.user, claims.roles, claims.issued_at)
    if not anonymous:
        raise Unauthenticated("a token is needed: `Authorization: Bearer TOKEN`")
    try:
        user = headers.get(b"x-greenroom-user", b"anonymous").decode()
    except UnicodeDecodeError:
        raise Unauthenticated("X-Greenroom-User is not UTF-8") from None
    if len(user) > USER_BYTES_MAX:
        raise Unauthenticated(f"X-Greenroom-User is longer than {USER_BYTES_MAX} characters")
    return _principal(user, frozenset(), 0.0)


def _principal(user: str, roles: frozenset[str], issued_at: float) -> Principal:
    info = b'{"user":%b,"client":""}' % msgspec.json.encode(user)
    return Principal(user=user, roles=roles, info=info, issued_at=issued_at)
