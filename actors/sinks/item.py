"""An event as it is handed on in JSON, whatever carries it."""

from typing import Any

import msgspec

from greenroom.actors.model.message import Event, tag_of
from greenroom.actors.sinks.sink import Batch
from greenroom.actors.views.view import Origin


def item(batch: Batch, event: Event, of: Origin) -> dict[str, Any]:
    """`batch` is the one that it is in; `at` is in Unix ms."""
    data = msgspec.to_builtins(event, str_keys=True)
    data.pop("type", None)
    return {
        "entity": of.entity,
        "epoch": batch.epoch(of),
        "offset": of.offset,
        "type": tag_of(type(event)),
        "at": of.at_ms,
        "user": of.user,
        "data": data,
    }
