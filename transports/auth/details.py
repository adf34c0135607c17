"""Who may read what a node says of itself beyond that it is alive: its documents and figures."""

from collections.abc import Awaitable, Callable

import trio

from greenroom.actors.model.errors import ActorError, Refused
from greenroom.actors.model.principal import STAFF_ROLES
from greenroom.transports.auth.http_principal import http_principal
from greenroom.transports.auth.sign_outs import SessionChecks
from greenroom.transports.auth.tokens import TokenVerifier

Guard = Callable[[str | None], Awaitable[ActorError | None]]  # an Authorization header; what it is refused with

SESSION_S = 2.0  # longest wait for a session that is asked whether its user's token counts; health is not to hang


async def anybody(_authorization: str | None) -> ActorError | None:
    """Refuses nobody."""
    return None


def staff_only(tokens: TokenVerifier | None, sessions: SessionChecks) -> Guard:
    """Refuses whoever brings no token with the role `service` or `admin`, or one from before its user signed out."""

    async def guard(authorization: str | None) -> ActorError | None:
        headers = {} if authorization is None else {b"authorization": authorization.encode("latin-1", "replace")}
        try:
            principal = http_principal(headers, tokens, anonymous=False)
        except ActorError as error:
            return error
        answered = trio.Event()
        why: list[ActorError] = []

        def refused(error: ActorError) -> None:
            why.append(error)
            answered.set()

        sessions.check(principal, trio.current_time() + SESSION_S, answered.set, refused)
        await answered.wait()
        if why:
            return why[0]
        if STAFF_ROLES.isdisjoint(principal.roles):
            return Refused("not_staff", "this takes a token with the role service or admin")
        return None

    return guard
