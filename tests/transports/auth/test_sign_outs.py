"""Tokens count until their user signs out: asked of the session once in a while, and remembered."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.errors import ActorError, HandlerFailed, Refused
from greenroom.actors.model.principal import ANONYMOUS, SYSTEM, Principal
from greenroom.transports.auth import sign_outs
from greenroom.transports.auth.sign_outs import REMEMBERED_S, SessionChecks, SignedIn

ANN = Principal(user="ann", issued_at=5.0)


class Sessions:
    """Answers as told; keeps who was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: ActorError | Exception | None = None

    def inspect(
        self,
        entity: str,
        principal: Principal,
        seen: Callable[[Any], None],
        refused: Callable[[ActorError], None],
        broken: Callable[[Exception], None],
        *,
        deadline: float | None = None,
    ) -> None:
        self.asked.append(entity)
        if isinstance(self.answer, ActorError):
            refused(self.answer)
        elif self.answer is not None:
            broken(self.answer)
        else:
            seen(None)


def checked(checks: SessionChecks, principal: Principal) -> str | ActorError:
    said: list[str | ActorError] = []
    checks.check(principal, trio.current_time() + 1, lambda: said.append("let in"), said.append)
    (one,) = said
    return one


async def test_a_session_is_asked_once_and_again_after_a_while(autojump_clock: MockClock) -> None:
    sessions, signed_in = Sessions(), SignedIn()
    checks = SessionChecks(signed_in, sessions.inspect, "session")
    assert [checked(checks, ANN) for _ in range(3)] == ["let in"] * 3 and sessions.asked == ["session:ann"]
    checked(checks, Principal(user="ann", issued_at=6.0))
    assert len(sessions.asked) == 2, "another token"
    signed_in.forget("ann")
    checked(checks, ANN)
    assert len(sessions.asked) == 3
    await trio.sleep(REMEMBERED_S)
    checked(checks, ANN)
    assert len(sessions.asked) == 4


async def test_a_refusal_is_told_and_not_remembered_and_a_mistake_is_no_yes() -> None:
    sessions = Sessions()
    checks = SessionChecks(SignedIn(), sessions.inspect, "session")
    sessions.answer = Refused("session.signed_out")
    assert checked(checks, ANN) is sessions.answer
    sessions.answer = ValueError("boom")
    assert isinstance(checked(checks, ANN), HandlerFailed)
    sessions.answer = None
    assert checked(checks, ANN) == "let in" and len(sessions.asked) == 3


async def test_who_has_no_session_is_not_asked_for() -> None:
    sessions = Sessions()
    for principal, kind in ((ANONYMOUS, "session"), (SYSTEM, "session"), (ANN, None)):
        assert checked(SessionChecks(SignedIn(), sessions.inspect, kind), principal) == "let in"
    assert sessions.asked == []


@pytest.mark.bound("users whose tokens were found to count")
async def test_what_is_remembered_is_bounded_and_the_longest_unused_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_outs, "REMEMBERED_MAX", 2)
    signed_in = SignedIn()
    for user in ("ann", "bob", "ann", "cat"):
        signed_in.remember(user, 0.0)
    assert [signed_in.holds(user, 0.0) for user in ("ann", "bob", "cat")] == [True, False, True]


@pytest.mark.bound("tokens of one user that were found to count")
async def test_of_one_user_some_tokens_are_remembered_and_a_sign_out_forgets_all() -> None:
    signed_in = SignedIn()
    signed_in.remember("bob", 1.0)
    for issued_at in (1.0, 2.0, 1.0, *range(3, 18)):
        signed_in.remember("ann", issued_at)
    assert [issued_at for issued_at in range(1, 18) if signed_in.holds("ann", issued_at)] == [1, *range(3, 18)]
    signed_in.forget("ann")
    assert not any(signed_in.holds("ann", issued_at) for issued_at in range(18))
    assert signed_in.holds("bob", 1.0)
