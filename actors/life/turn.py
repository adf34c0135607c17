"""The turn: which code of an entity's own runs now. Written around each call of it, read by the watchdog's thread.

    turn.serial += 1
    turn.owner = life
    ...
    turn.item = message       # from here on the call may be interrupted
    reply = actor.handle(message)
    turn.item = None          # HandlerStuck came before this line, or it does not come at all

An exception leaves `item` set: whoever catches it clears it. Two attribute stores a message are the price of being
watched. A turn must not span an `await`.
"""


class Turn:
    """One event loop's; see above."""

    __slots__ = ("item", "owner", "serial")

    def __init__(self) -> None:
        self.item: object | None = None  # None while no code of an entity's own runs; only its type is ever logged
        self.owner: object | None = None  # its `entity`, if it has one, is logged
        self.serial = 0  # one more with each burst: the same message object may come in the next one again
