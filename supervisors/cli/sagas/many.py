"""One thing done about many sagas, one after the other: what comes of each is kept, whatever comes of the rest."""

import uuid
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, Protocol

from greenroom.supervisors.cli.sagas.server import Refusal
from greenroom.supervisors.cli.terminal.plainly import Trouble

LOST_MAX = 3  # sagas in a row for which there was no answer: then the others are left alone

Outcome = dict[str, Any]


class Steered(Protocol):
    """The server, as far as it matters here."""

    def view(self, saga: str) -> dict[str, Any]:
        """Raises: Refusal, Trouble."""

    def command(self, saga: str, name: str, fields: dict[str, Any], key: str) -> dict[str, Any]:
        """`key`: the same once more takes effect once. Raises: Refusal, Trouble."""


def steer(
    server: Steered,
    names: Iterable[str],
    command: str,
    fields: dict[str, Any],
    *,
    dry_run: bool,
    tell: Callable[[Outcome], None],
) -> None:
    """Tells of each what came of it: with `error`, where it is none of what was wanted."""
    lost = 0
    why = ""
    for name in names:
        if lost >= LOST_MAX:
            tell({"saga": name, "error": f"not told: {why}"})
            continue
        try:
            if dry_run:
                tell({"saga": name, "status": server.view(name)["status"]})
            else:
                tell({"saga": name} | server.command(name, command, fields, _key_for(server, name, command, fields)))
            lost = 0
        except Refusal as error:
            lost = 0
            tell({"saga": name, "error": str(error)})
        except Trouble as error:
            lost += 1
            why = str(error)
            tell({"saga": name, "error": why})


def _key_for(server: Steered, saga: str, command: str, fields: dict[str, Any]) -> str:
    """Raises: Refusal, Trouble."""
    return key_of(saga, command, fields, refused_in(server.view(saga), fields) if command == "fork" else 0)


def refused_in(view: dict[str, Any], fields: dict[str, Any]) -> int:
    """How many forks from that step could not begin."""
    forks = view.get("forks", ())
    return sum("refused" in fork and fork["from_step"] == fields["from_step"] for fork in forks)


def key_of(saga: str, command: str, fields: dict[str, Any], refused: int = 0) -> str:
    """The idempotency key: of a fork always the same, so that whoever says it again makes no other one; but for one
    that could not begin, of which it would be said again that it is done. What else is said again is meant."""
    if command != "fork":
        return uuid.uuid4().hex
    said = "\0".join((saga, fields["from_step"], fields["key"], *([str(refused)] if refused else ())))
    return f"fork-{blake2b(said.encode(), digest_size=16).hexdigest()}"


def is_left_out(command: str, row: dict[str, Any]) -> bool:
    """Of the list: what is done about those alone that are named. Who has cancelled one wants it no more; and whoever
    forks by a filter a second time means those that have no fork."""
    if command == "resume":
        return bool(row.get("cancelled"))
    return command == "fork" and bool(row["forks"] or row.get("fork_of"))
