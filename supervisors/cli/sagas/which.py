"""Which sagas are meant: by name, or all that fit."""

import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from greenroom.actors.model.entity import BadEntity, split_entity
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble
from greenroom.supervisors.cli.terminal.printable import printable

STATES = ("running", "undoing", "done", "undone", "stuck")
_AGE = re.compile(r"([0-9]{1,9})([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Which(Struct, frozen=True):
    """`names`, or what fits all of the rest that is given."""

    names: tuple[str, ...] = ()
    kind: str = ""
    state: str = ""
    older_s: int = 0  # since anything has turned

    @property
    def is_filter(self) -> bool:
        return bool(self.kind or self.state or self.older_s)

    def fits(self, row: dict[str, Any], now_ms: int) -> bool:
        """Is this row of the list meant? Kind and state the server has looked at."""
        return int(row["changed_ms"]) <= now_ms - self.older_s * 1000


def which(names: Sequence[str] | None, kind: str, state: str, older: str, *, everything: bool = False) -> Which:
    """Raises: Trouble."""
    if state and state not in STATES:
        raise Trouble(f"--state {printable(state)}: must be one of {', '.join(STATES)}", status=BAD_USAGE)
    for name in names or ():
        try:
            split_entity(name)
        except BadEntity as error:
            raise Trouble(f"SAGA {printable(name)}: {error}, as in checkout:7", status=BAD_USAGE) from None
    found = Which(tuple(dict.fromkeys(names or ())), kind, state, _seconds(older) if older else 0)
    if bool(found.names) + found.is_filter + everything > 1:
        raise Trouble("say which: SAGA by name, or --kind, --state and --older, or --all", status=BAD_USAGE)
    return found


def required(found: Which, state: str, *, everything: bool) -> Which:
    """What is done something about must be said; without a state those are meant that it can be done about.

    Raises: Trouble.
    """
    if not (found.names or found.is_filter or everything):
        raise Trouble("say which: SAGA by name, or --kind, --state and --older, or --all", status=BAD_USAGE)
    if found.names or found.state:
        return found
    return Which((), found.kind, state, found.older_s)


def _seconds(age: str) -> int:
    found = _AGE.fullmatch(age)
    if found is None:
        raise Trouble(f"--older {printable(age)}: must be a number with s, m, h or d, as in 30m", status=BAD_USAGE)
    return int(found[1]) * _UNIT_S[found[2]]
