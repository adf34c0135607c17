"""Has the user of this token signed out since it was issued? Asked of their session, and remembered for a while.

A connection needs no such check: it watches its user's session, whose sign-out closes it. An HTTP request does.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import trio

from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.lifecycle import Inspect
from greenroom.actors.model.principal import Principal

REMEMBERED_MAX = 50_000  # users
REMEMBERED_S = 30.0  # how long a sign-out on another node may go unnoticed here
INSPECT = Inspect()


class SessionChecks:
    def __init__(self, submit: Callable[[str, Envelope], None], session_kind: str | None) -> None:
        self._submit = submit
        self._kind = session_kind
        self._good: OrderedDict[tuple[str, float], float] = OrderedDict()  # (user, issued at) -> until, trio clock

    def forget(self, user: str) -> None:
        """The user has signed out."""
        for key in [key for key in self._good if key[0] == user]:
            del self._good[key]

    def check(
        self,
        principal: Principal,
        deadline: float,
        then: Callable[[], None],
        failed: Callable[[ActorError], None],
    ) -> None:
        """Call `then`, now or later, when the token still counts, else `failed`.

        Raises: ActorError as the session's mailbox has it; then neither is called.
        """
        if self._kind is None or not principal.user or principal.system:
            then()
            return
        key = (principal.user, principal.issued_at)
        now = trio.current_time()
        until = self._good.get(key)
        if until is not None and now < until:
            then()
            return

        def good() -> None:
            self._good[key] = trio.current_time() + REMEMBERED_S
            self._good.move_to_end(key)
            if len(self._good) > REMEMBERED_MAX:
                self._good.popitem(last=False)
            then()

        envelope = Envelope(
            message=INSPECT, principal=principal, slot=_Slot(good, failed), deadline=deadline, queued_at=now
        )
        self._submit(f"{self._kind}:{principal.user}", envelope)


class _Slot:
    __slots__ = ("_failed", "_then")

    def __init__(self, then: Callable[[], None], failed: Callable[[ActorError], None]) -> None:
        self._then = then
        self._failed = failed

    def resolve(self, reply: Any, encoded: bytes | None) -> None:
        self._then()

    def reject(self, error: ActorError) -> None:
        self._failed(error)
