"""Who may look at the machinery, and as what."""

from math import inf
from typing import Any

import pytest
import trio

from greenroom.actors.model.errors import ActorError, Refused
from greenroom.actors.model.principal import Principal
from greenroom.transports.admin.roles import Operators
from greenroom.transports.auth.sign_outs import SessionChecks, SignedIn
from greenroom.transports.auth.tokens import TokenConfig, TokenVerifier
from tests.transports.world import SECRET, STARTED, token


def operators(*, is_local: bool = False, signed_out: tuple[str, ...] = ()) -> Operators:
    def inspect(entity: str, principal: Principal, seen: Any, refused: Any, broken: Any, **_: Any) -> None:
        if principal.user in signed_out:
            refused(Refused("session.signed_out"))
        else:
            seen(None)

    verifier = TokenVerifier(TokenConfig(secret=SECRET), lambda: STARTED)
    return Operators(verifier, SessionChecks(SignedIn(), inspect, "session"), is_local=is_local)


def bearer(user: str = "ann", *roles: str, **claims: Any) -> dict[bytes, bytes]:
    return {b"authorization": f"Bearer {token(sub=user, roles=list(roles), **claims)}".encode()}


@pytest.mark.parametrize(
    ("roles", "is_admin"),
    [(("admin",), True), (("viewer",), False), (("viewer", "admin"), True), (("service", "viewer"), False)],
)
async def test_a_token_says_what_they_may(roles: tuple[str, ...], is_admin: bool) -> None:
    for is_local in (False, True):
        found = await operators(is_local=is_local).admitted(bearer("ann", *roles))
        assert (found.principal.user, found.is_admin) == ("ann", is_admin)


async def test_until_when_their_token_counts_is_known() -> None:
    assert operators().known(bearer("ann", "admin", exp=int(STARTED) + 60)).expires_at == STARTED + 60
    assert operators(is_local=True).known({b"x-greenroom-user": b"ann"}).expires_at == inf


@pytest.mark.parametrize("roles", [(), ("service",), ("Admin",), ("moderator",)])
async def test_others_may_not(roles: tuple[str, ...]) -> None:
    for is_local in (False, True):
        with pytest.raises(Refused, match="not_operator"):
            await operators(is_local=is_local).admitted(bearer("ann", *roles))


@pytest.mark.parametrize(
    "headers", [{}, {b"x-greenroom-user": b"ann"}, {b"authorization": b"Basic YW5u"}, {b"authorization": b"Bearer x"}]
)
async def test_outside_local_nobody_comes_without_a_token(headers: dict[bytes, bytes]) -> None:
    with pytest.raises(ActorError) as refused:
        await operators().admitted(headers)
    assert refused.value.status == 401


async def test_in_local_a_name_is_enough_and_no_name_is_not() -> None:
    found = await operators(is_local=True).admitted({b"x-greenroom-user": "änn".encode()})
    assert found.is_admin and found.principal.user == "änn"
    with pytest.raises(ActorError, match="say who you are"):
        await operators(is_local=True).admitted({})


async def test_who_has_signed_out_is_refused() -> None:
    with pytest.raises(Refused, match="signed_out"):
        await operators(signed_out=("ann",)).admitted(bearer("ann", "admin"))
    with trio.fail_after(1):
        await operators(signed_out=("bob",)).admitted(bearer("ann", "admin"))
