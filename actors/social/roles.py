"""Who moderates: the role `moderator` of a token, and staff."""

from typing import Final

from greenroom.actors.model.errors import Refused
from greenroom.actors.model.principal import STAFF_ROLES, Principal

MODERATOR: Final = "moderator"
MODERATOR_ROLES: Final = STAFF_ROLES | {MODERATOR}


def is_moderator(who: Principal) -> bool:
    return who.system or not MODERATOR_ROLES.isdisjoint(who.roles)


def require_moderator(who: Principal) -> None:
    """Raises: Refused `moderators_only` (403)."""
    if not is_moderator(who):
        raise Refused("moderators_only", f"this needs the role {MODERATOR}", status=403)
