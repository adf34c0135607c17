"""Who may read what a node says of itself beyond that it is alive: its documents and figures."""

from collections.abc import Callable

from greenroom.actors.model.errors import ActorError, Refused
from greenroom.actors.model.principal import STAFF_ROLES
from greenroom.transports.auth.http_principal import http_principal
from greenroom.transports.auth.tokens import TokenVerifier

Guard = Callable[[str | None], ActorError | None]  # an Authorization header; what it is refused with


def anybody(_authorization: str | None) -> ActorError | None:
    """Refuses nobody."""
    return None


def staff_only(tokens: TokenVerifier | None) -> Guard:
    """Refuses whoever brings no token with the role `service` or `admin`."""

    def guard(authorization: str | None) -> ActorError | None:
        headers = {} if authorization is None else {b"authorization": authorization.encode("latin-1", "replace")}
        try:
            principal = http_principal(headers, tokens, anonymous=False)
        except ActorError as error:
            return error
        if STAFF_ROLES.isdisjoint(principal.roles):
            return Refused("not_staff", "this takes a token with the role service or admin")
        return None

    return guard
