"""Centrifugo, the server whose client protocol Greenroom speaks: one node, everything in its memory.

It has no rooms that decide: clients publish to channels. A publication gets an offset and is kept in the channel's
history, so that a client can recover, as here. `tuned` is what its documentation names to spend less, as far as the
question allows it. What it also names, delaying and batching writes to a client, only its commercial edition has.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench.load.sending import publish
from bench.peers.started import inherited, program, started, version
from bench.question import Answer
from bench.questions import chat, connections, fanout, storm
from bench.reporting.sides import Side
from bench.server import Server, free_port

DURABILITY = "not durable: messages are in its memory, and gone with the process"
ANSWERS: dict[str, Callable[..., Answer]] = {
    "chat": chat.answer,
    "connections": connections.answer,
    "fanout": fanout.answer,
    "storm": storm.answer,
}
# The garbage collector of Go runs when the heap has grown by so many per cent. More of it saves CPU and costs memory,
# so not where memory is what is asked for.
_GOGC = {"chat": "400", "fanout": "400", "storm": "400"}


def configuration(bench: str, port: int, *, tuned: bool) -> dict[str, Any]:
    """Its configuration file for one benchmark."""
    room: dict[str, Any] = {
        "name": "room",
        "history_size": 1_000,
        "history_ttl": "300s",
        "allow_recovery": True,
        "allow_subscribe_for_client": True,
        "allow_subscribe_for_anonymous": True,
        "allow_publish_for_client": True,
        "allow_publish_for_anonymous": True,
    }
    whole: dict[str, Any] = {
        "http_server": {"address": "127.0.0.1", "port": port},
        "client": {
            "allow_anonymous_connect_without_token": True,
            # Longer than a run: a ping may share a frame with messages, where the generators do not look for it.
            "ping_interval": "600s",
        },
        "channel": {"namespaces": [room]},
        "log": {"level": "warn"},
        "health": {"enabled": True, "handler_prefix": "/ready"},
        "http_api": {"disabled": True},
        "usage_stats": {"disabled": True},
    }
    if bench == "connections":
        del whole["client"]["ping_interval"]  # idle connections are pinged as by default; a ping comes alone
    if tuned:
        whole["log"]["level"] = "none"
        whole["websocket"] = {"use_write_buffer_pool": True}
        if bench == "connections":
            whole["websocket"]["read_buffer_size"] = 512
        if bench == "fanout":  # nobody recovers and offsets are not looked at: its channels can do without history
            for name in ("history_size", "history_ttl", "allow_recovery"):
                del room[name]
    return whole


def environment(bench: str, *, tuned: bool) -> dict[str, str]:
    """What is set beside the file."""
    return {"GOGC": _GOGC[bench]} if tuned and bench in _GOGC else {}


def side(bench: str, *, tuned: bool) -> Side:
    """Its side of a benchmark in ANSWERS. Raises: PeerMissing."""
    path = program("centrifugo", "centrifugo")
    name = "centrifugo-tuned" if tuned else "centrifugo"
    settings = json.dumps(configuration(bench, 0, tuned=tuned) | {"http_server": {"address": "127.0.0.1"}})
    about = f"{version(path, 'version')}, in memory, configured {settings}"
    for variable, value in environment(bench, tuned=tuned).items():
        about += f" {variable}={value}"
    return Side(name, partial(ANSWERS[bench], serve=partial(serve, path, bench, tuned=tuned)), DURABILITY, about)


@contextmanager
def serve(path: str, bench: str, *, tuned: bool) -> Iterator[Server]:
    """A node for one run. Raises: ServerFailed."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="centrifugo-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        (folder / "config.json").write_text(json.dumps(configuration(bench, port, tuned=tuned)))
        with started(
            [path, "--config", "config.json"],
            folder,
            ("127.0.0.1", port),
            send=publish,
            environment=inherited("CENTRIFUGO_") | environment(bench, tuned=tuned),
        ) as server:
            yield server
