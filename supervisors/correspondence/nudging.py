"""Nudging: what entities that are awake elsewhere are to be told, if that can be done at once. See Router.nudge.

One frame to each node, with the names that it owns as far as is known here. Nothing is kept, answered or sent again: an
entity that has moved, or whose node is out of reach or of an older release, finds out by itself.
"""

from collections.abc import Callable
from contextlib import suppress

import msgspec

from greenroom.actors.model.errors import ActorError
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.message import Message
from greenroom.supervisors.correspondence.wire import Nudged

Decoded = dict[str, Message | None]  # by kind; None: this release does not know it


class Nudging:
    """Of one node. Remembers nothing."""

    def __init__(
        self,
        *,
        node: int,
        kinds: Kinds,
        owner: Callable[[str], int | None],
        send: Callable[[int, Nudged], None],
        nudge_here: Callable[[str, Message], bool],
    ) -> None:
        """`node` is this one's incarnation. `send` raises ActorError with nothing sent. `nudge_here`: see Router."""
        self._node = node
        self._kinds = kinds
        self._owner = owner
        self._send = send
        self._nudge_here = nudge_here

    def nudge(self, entities: list[str], message: Message) -> None:
        """See Elsewhere."""
        by_node: dict[int, list[str]] = {}
        for entity in entities:
            node = self._owner(entity)
            if node is not None and node != self._node:
                by_node.setdefault(node, []).append(entity)
        body = msgspec.json.encode(message) if by_node else b""
        for node, owned in by_node.items():
            with suppress(ActorError):
                self._send(node, Nudged(owned, body))

    # From other nodes.

    def nudged(self, node: int, nudged: Nudged) -> None:
        decoded: Decoded = {}
        for entity in nudged.entities:
            kind = entity.partition(":")[0]
            if kind not in decoded:
                decoded[kind] = self._message(kind, nudged.body)
            message = decoded[kind]
            if message is not None:
                self._nudge_here(entity, message)

    def _message(self, kind: str, body: bytes) -> Message | None:
        with suppress(ActorError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            message: Message = self._kinds[kind].decode_message(body)
            return message
        return None
