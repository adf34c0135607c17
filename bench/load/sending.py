"""How a message is put into words: the one thing that a client says differently to a peer of the same protocol.

Greenroom is asked by a command of the room's, a peer is asked to publish. `data` is JSON and arrives as it is.
"""

from collections.abc import Callable

Send = Callable[[int, str, str], str]  # id of the command, channel, data -> the command


def rpc(number: int, channel: str, data: str) -> str:
    """A room's `send`."""
    return f'{{"id":{number},"rpc":{{"method":"{channel}/send","data":{data}}}}}'


def publish(number: int, channel: str, data: str) -> str:
    """A publication by a client."""
    return f'{{"id":{number},"publish":{{"channel":"{channel}","data":{data}}}}}'
