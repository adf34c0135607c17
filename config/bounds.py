"""Which bounds belong together: the longest that a client may say at once while it keeps the others.

An SDK that comes back sends its connect with all it was subscribed to, an EventSource its channels with their
positions, and neither can send less. So what a whole one takes must fit, whatever is set: `settings/rules.py` refuses
settings that would have such clients cut off for ever.
"""

from typing import Final

TOKEN_BYTES_MAX: Final = 8_192  # a token for a connection or a subscription
TOKEN_CHANNELS_MAX: Final = 128  # channels that a connection's token may name
EVENT_CHANNELS_MAX: Final = 32  # channels that one event stream may watch

_OWN_BYTES: Final = 8_192  # what a connect says beside: the application's data, names and versions
_HEADERS_BYTES: Final = 4_096  # what an HTTP head says beside: the path, what browsers and proxies add
_POSITION_BYTES: Final = 100  # `"":{"recover":true,"offset":9007199254740991,"epoch":"…"},`
_CURSOR_BYTES: Final = 64  # `epoch:offset,`, in a query with `%3A` and `%2C`
_ESCAPED: Final = 3  # bytes for one, of a channel's name: `\\u0440` for two in JSON, `%D1` for one in a query


def connect_bytes(*, subscriptions_max: int, channel_bytes_max: int) -> int:
    """Of the longest connect: a token, and positions in all channels that the token subscribes its client to."""
    channels = min(subscriptions_max, TOKEN_CHANNELS_MAX + 1)  # the user's own session is one more
    named = TOKEN_BYTES_MAX * 3 // 4  # in base64 the names take four bytes for three
    names = min(named + channel_bytes_max, channels * channel_bytes_max)
    return TOKEN_BYTES_MAX + _OWN_BYTES + _ESCAPED * names + _POSITION_BYTES * channels


def event_head_bytes(*, channel_bytes_max: int) -> int:
    """Of the longest head of an event stream: a token, all channels, and where to resume in each, as the address had it
    and as the browser has it now."""
    channel = len("&channel=") + _ESCAPED * channel_bytes_max + 2 * _CURSOR_BYTES
    return TOKEN_BYTES_MAX + _HEADERS_BYTES + EVENT_CHANNELS_MAX * channel
