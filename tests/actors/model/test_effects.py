"""Whom a kick means."""

import pytest

from greenroom.actors.model.effects import Kick
from greenroom.actors.model.principal import ANONYMOUS, SYSTEM, Principal

ANN, BOB = Principal(user="ann"), Principal(user="bob")
ROOT = Principal(user="root", roles=frozenset({"admin", "x"}))


@pytest.mark.parametrize(
    ("kick", "meant"),
    [
        (Kick(2100, ""), [ANN, BOB, ROOT, ANONYMOUS, SYSTEM]),
        (Kick(2100, "", user="ann"), [ANN]),
        (Kick(2100, "", but=frozenset({"ann"})), [BOB, ROOT, ANONYMOUS]),
        (Kick(2100, "", but_roles=frozenset({"admin"})), [ANN, BOB, ANONYMOUS]),
        (Kick(2100, "", user="ann", but=frozenset({"ann"})), []),
    ],
)
def test_whom_a_kick_means(kick: Kick, meant: list[Principal]) -> None:
    assert [who for who in (ANN, BOB, ROOT, ANONYMOUS, SYSTEM) if kick.means(who)] == meant
