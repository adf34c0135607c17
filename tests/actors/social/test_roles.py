"""Who moderates."""

import pytest

from greenroom import SYSTEM, Principal, Refused
from greenroom.actors.social.roles import is_moderator, require_moderator


def test_moderators_and_staff_do() -> None:
    for role in ("moderator", "admin", "service"):
        require_moderator(Principal(user="mod", roles=frozenset((role, "other"))))
    assert is_moderator(SYSTEM)


def test_nobody_else_does() -> None:
    for who in (Principal(user="moderator"), Principal(user="", roles=frozenset(("moderators",)))):
        with pytest.raises(Refused, match="moderators_only"):
            require_moderator(who)
