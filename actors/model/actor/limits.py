"""What one entity of a kind may use."""

from typing import Annotated

from msgspec import Meta, Struct

AtLeastOne = Annotated[int, Meta(ge=1, le=1 << 53)]
NotNegative = Annotated[int, Meta(ge=0, le=1 << 53)]
Seconds = Annotated[float, Meta(ge=0)]  # `math.inf` is for ever


class KindLimits(Struct, frozen=True, kw_only=True):
    """What one entity of a kind may use, and how long its history is kept. Checked when the kind is installed."""

    mailbox_messages: AtLeastOne = 1024
    mailbox_bytes: AtLeastOne = 4 << 20
    idle_s: Seconds = 60.0  # asleep after so long without a message
    history_events: NotNegative = 100_000  # newest events kept; older ones live on in the snapshot only
    history_s: Seconds = 90 * 86_400.0
    command_ids_s: Seconds = 86_400.0  # a repeated idempotency key is answered for at least so long
    snapshot_every: AtLeastOne = 500  # events replayed at most on waking, about
    timers_max: NotNegative = 1_000  # durable ones of one entity, loaded when it wakes
    afters_max: NotNegative = 1_000  # messages to oneself by `after` that are on their way, of one life
    async_handler_s: Seconds = 30.0  # what an `async def handle` may take where the sender set no deadline
