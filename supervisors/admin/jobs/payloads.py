"""Payloads: messages, events and states of queues and schedules without what the arguments of jobs hide. Pure.

Journals and dead letters have arguments as they were given. Each object in them with `arguments` says in `job` of which
class they are; where it does not, or that class is not known here, none of them is shown.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import msgspec.inspect as inspect

from greenroom.actors.jobs.queue import Queue
from greenroom.actors.jobs.schedule import Schedule
from greenroom.config.telemetry.redaction import REDACTED
from greenroom.supervisors.admin.jobs.secrets import hidden

KINDS = (Queue.kind, Schedule.kind, "job")


def concealed(entity: str, body: bytes, declared: Mapping[str, inspect.Type]) -> bytes:
    """JSON that entity was told, has recorded, or keeps. `declared`: types of arguments by the tag of the class."""
    if entity.partition(":")[0] not in KINDS or not body:
        return body
    try:
        return msgspec.json.encode(_without(msgspec.json.decode(body), declared))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return msgspec.json.encode(REDACTED)


def _without(value: Any, declared: Mapping[str, inspect.Type]) -> Any:
    match value:
        case dict():
            shown = {name: _without(one, declared) for name, one in value.items() if name != "arguments"}
            if "arguments" in value:
                shown["arguments"] = _arguments(value["arguments"], value.get("job"), declared)
            return shown
        case list():
            return [_without(one, declared) for one in value]
    return value


def _arguments(value: Any, job: Any, declared: Mapping[str, inspect.Type]) -> Any:
    known = declared.get(job) if isinstance(job, str) else None
    return hidden(value, known) if known is not None else REDACTED
