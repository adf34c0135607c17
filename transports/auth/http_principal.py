"""Who sends an HTTP request."""

from collections.abc import Mapping
from functools import lru_cache

import msgspec
from msgspec import Struct

from greenroom.actors.model.principal import NO_ROLES, Principal, user_id_problem
from greenroom.transports.auth.tokens import TokenExpired, TokenInvalid, TokenVerifier
from greenroom.transports.errors import TokenHasExpired, Unauthenticated


class Identity(Struct, frozen=True):
    """Who it is, and until when that counts."""

    principal: Principal
    expires_at: int | None = None  # Unix s


def http_principal(
    headers: Mapping[bytes, bytes], tokens: TokenVerifier | None, *, anonymous: bool, watches: bool = False
) -> Principal:
    """As `http_identity`, for a request that is over at once."""
    return http_identity(headers, tokens, anonymous=anonymous, watches=watches).principal


def http_identity(
    headers: Mapping[bytes, bytes], tokens: TokenVerifier | None, *, anonymous: bool, watches: bool = False
) -> Identity:
    """Whom `Authorization: Bearer` names; with `anonymous` (local) else `X-Greenroom-User`, else nobody, user "".

    With `watches`, the request only looks and the anonymous may, so nobody is let in too.
    Raises: Unauthenticated, and TokenHasExpired where that is what is wrong.
    """
    authorization = headers.get(b"authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or tokens is None:
            raise Unauthenticated("the Authorization header must be `Bearer TOKEN`")
        try:
            verified = tokens.verify_connection(token.strip().decode("latin-1"))
        except TokenExpired:
            raise TokenHasExpired("the token has expired") from None
        except TokenInvalid as error:
            raise Unauthenticated(str(error)) from None
        if not verified.user and not (anonymous or watches):
            raise Unauthenticated("a token of somebody is needed: this one has no `sub`")
        return Identity(_principal(verified.user, verified.roles, verified.issued_at), verified.expires_at)
    named = headers.get(b"x-greenroom-user", b"")
    if not anonymous and (named or not watches):
        raise Unauthenticated("a token is needed: `Authorization: Bearer TOKEN`")
    return _named(named)


@lru_cache(4096)  # who asks once asks again
def _named(named: bytes) -> Identity:
    """Whoever `X-Greenroom-User` says. Raises: Unauthenticated."""
    try:
        user = named.decode()
    except UnicodeDecodeError:
        raise Unauthenticated("X-Greenroom-User is not UTF-8") from None
    if user and (problem := user_id_problem(user)):
        raise Unauthenticated(f"X-Greenroom-User {problem}")
    return Identity(_principal(user, NO_ROLES, 0.0))


def _principal(user: str, roles: frozenset[str], issued_at: float) -> Principal:
    info = b'{"user":%b,"client":""}' % msgspec.json.encode(user)
    return Principal(user=user, roles=roles, info=info, issued_at=issued_at)
