"""Who may look at the machinery: whoever brings a token with the role `admin`, or `viewer`.

A viewer sees how the system is, never what people wrote in it, and changes nothing. With GREENROOM_ENV=local whoever
names themselves is an admin, as they may do anything else there.
"""

from collections.abc import Mapping
from math import inf

import trio
from msgspec import Struct

from greenroom.actors.model.errors import ActorError, Refused
from greenroom.actors.model.principal import Principal
from greenroom.transports.auth.http_principal import http_identity
from greenroom.transports.auth.sign_outs import SessionChecks
from greenroom.transports.auth.tokens import TokenVerifier
from greenroom.transports.errors import Unauthenticated

ADMIN, VIEWER = "admin", "viewer"
SESSION_S = 2.0  # longest wait for a session that is asked whether its user's token counts


class Operator(Struct, frozen=True):
    """Somebody who may look."""

    principal: Principal
    is_admin: bool
    expires_at: float  # Unix s


class Operators:
    """Tells who they are."""

    def __init__(self, tokens: TokenVerifier | None, sessions: SessionChecks, *, is_local: bool) -> None:
        self._tokens = tokens
        self.sessions = sessions
        self._is_local = is_local

    def known(self, headers: Mapping[bytes, bytes]) -> Operator:
        """By the headers of a request, names in lower case; whether they have signed out since is asked apart. Raises:
        Unauthenticated, Refused `not_operator`."""
        identity = http_identity(headers, self._tokens, anonymous=self._is_local)
        principal = identity.principal
        if self._is_local and b"authorization" not in headers:
            # The header says that it is no other site's page that asks: a browser lets none send it without asking us.
            if not principal.user:
                raise Unauthenticated("say who you are: `X-Greenroom-User`, or `Authorization: Bearer TOKEN`")
            return Operator(principal, True, inf)
        if ADMIN not in principal.roles and VIEWER not in principal.roles:
            raise Refused("not_operator", "this takes a token with the role admin or viewer")
        expires_at = inf if identity.expires_at is None else identity.expires_at
        return Operator(principal, ADMIN in principal.roles, expires_at)

    async def admitted(self, headers: Mapping[bytes, bytes]) -> Operator:
        """As `known`, and has not signed out since. Raises: likewise, and what their session refuses them with."""
        operator = self.known(headers)
        if b"authorization" not in headers:
            return operator
        answered = trio.Event()
        why: list[ActorError] = []

        def refused(error: ActorError) -> None:
            why.append(error)
            answered.set()

        self.sessions.check(operator.principal, trio.current_time() + SESSION_S, answered.set, refused)
        await answered.wait()
        if why:
            raise why[0]
        return operator
