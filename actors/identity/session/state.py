"""What a session remembers for good; who is connected is not among it."""

from typing import assert_never

from msgspec import Struct, field

from greenroom.actors.identity.session.events import PushReceived, ReadUpTo, SessionEvent, SignedOut

CHANNELS_MAX = 1_000  # channels whose watermarks are kept; the one read longest ago goes first


class SessionState(Struct):
    read: dict[str, int] = field(default_factory=dict)  # channel -> offset, longest ago first
    signed_out_at_ms: int = 0  # Unix; 0 when never

    def change(self, event: SessionEvent) -> None:
        match event:
            case ReadUpTo():
                self.read.pop(event.channel, None)  # to the end of the order
                self.read[event.channel] = event.offset
                if len(self.read) > CHANNELS_MAX:
                    del self.read[next(iter(self.read))]
            case SignedOut():
                self.signed_out_at_ms = event.at_ms
            case PushReceived():
                pass  # the journal is where devices find it
            case _:
                assert_never(event)
