"""Counts what a client asked for and was refused before it was understood, as HTTP does.

What is understood counts itself, with its answer: a command in `answers.py`, a read in `peer.py`.
"""

from typing import Final

from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.kinds import Kinds
from greenroom.config.telemetry.instruments import OTHER
from greenroom.transports.client.codes import METHOD_NOT_FOUND, TOO_MANY_REQUESTS
from greenroom.transports.client.errors import ClientError
from greenroom.transports.client.messages import Command
from greenroom.transports.client.reading import READS
from greenroom.transports.services import Services

# By the names that errors have over HTTP; the others' are in their messages.
OUTCOMES: Final = {METHOD_NOT_FOUND.code: "unknown_command", TOO_MANY_REQUESTS.code: "overloaded"}
REQUESTS: Final = ("subscribe", "presence", "presence_stats", "history")  # which name a channel and no command


def count_refused(services: Services, command: Command, error: ClientError | ActorError) -> None:
    """Names that nobody installed are counted together, and what asks for no entity is not."""
    label = _label(services.kinds, command)
    if label is None:
        return
    if isinstance(error, ClientError):
        said = error.code.message.partition(":")[0].replace(" ", "_")
        outcome = OUTCOMES.get(error.code.code, said)
    else:
        outcome = error.name
    services.instruments.count_command(*label, outcome)


def _label(kinds: Kinds, command: Command) -> tuple[str, str] | None:
    """Kind and command of what was asked for."""
    name = ""
    if command.publish is not None:
        entity = command.publish.channel
    elif command.rpc is not None:
        entity, _, name = command.rpc.method.rpartition("/")
    else:
        name = next((one for one in REQUESTS if getattr(command, one) is not None), "")
        if not name:
            return None
        entity = getattr(command, name).channel
    kind_name = entity.partition(":")[0]
    if kind_name not in kinds:
        return OTHER, OTHER
    kind = kinds[kind_name]
    if command.publish is not None and kind.publish_command is not None:
        name = kind.publish_command.name
    return kind_name, name if name in kind.commands or name in READS or name in REQUESTS else OTHER
