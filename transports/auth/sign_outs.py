"""Has the user of this token signed out since it was issued? Asked of their session, and remembered for a while.

A connection needs no such check: it watches its user's session, whose sign-out closes it. An HTTP request does.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

import trio

from greenroom.actors.model.errors import ActorError, HandlerFailed
from greenroom.actors.model.lifecycle import Inspected
from greenroom.actors.model.principal import Principal

REMEMBERED_MAX = 50_000  # users
TOKENS_MAX = 16  # of one user, the newest
REMEMBERED_S = 30.0  # how long a sign-out on another node may go unnoticed here


class Inspect(Protocol):
    """`Reading.inspect`."""

    def __call__(
        self,
        entity: str,
        principal: Principal,
        seen: Callable[[Inspected], None],
        refused: Callable[[ActorError], None],
        broken: Callable[[Exception], None],
        *,
        deadline: float | None = None,
    ) -> None: ...


class SignedIn:
    """Users whose session has said lately that their token still counts."""

    def __init__(self) -> None:
        self._until: OrderedDict[str, dict[float, float]] = OrderedDict()  # user -> issued at -> trio clock

    def forget(self, user: str) -> None:
        """The user has signed out."""
        self._until.pop(user, None)

    def remember(self, user: str, issued_at: float) -> None:
        tokens = self._until.setdefault(user, {})
        self._until.move_to_end(user)
        tokens.pop(issued_at, None)
        tokens[issued_at] = trio.current_time() + REMEMBERED_S
        if len(tokens) > TOKENS_MAX:
            del tokens[next(iter(tokens))]
        if len(self._until) > REMEMBERED_MAX:
            self._until.popitem(last=False)

    def holds(self, user: str, issued_at: float) -> bool:
        until = self._until.get(user, {}).get(issued_at)
        return until is not None and trio.current_time() < until


class SessionChecks:
    """Lets a request through once the session of its user has said that the token counts."""

    def __init__(self, signed_in: SignedIn, inspect: Inspect, session_kind: str | None) -> None:
        """`session_kind`: None where no sessions are installed, and so nobody signs out."""
        self._signed_in = signed_in
        self._inspect = inspect
        self._kind = session_kind

    def check(
        self,
        principal: Principal,
        deadline: float,
        then: Callable[[], None],
        refused: Callable[[ActorError], None],
    ) -> None:
        """Call `then`, now or later, when the token still counts, else `refused`. `deadline` is on the trio clock."""
        if self._kind is None or not principal.user or principal.system:
            then()
            return
        user, issued_at = principal.user, principal.issued_at
        if self._signed_in.holds(user, issued_at):
            then()
            return

        def seen(_: Inspected) -> None:
            self._signed_in.remember(user, issued_at)
            then()

        def broken(mistake: Exception) -> None:
            refused(HandlerFailed(repr(mistake)))

        self._inspect(f"{self._kind}:{user}", principal, seen, refused, broken, deadline=deadline)
