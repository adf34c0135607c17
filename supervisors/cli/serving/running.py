"""One node, run by this process until a signal: what `serve` does itself, or has a child do."""

import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.sinks.installed import Sinks
from greenroom.actors.views.installed import Views
from greenroom.config.settings import Settings
from greenroom.store.own.data_folder import DataFolder
from greenroom.store.own.servers import OwnServers
from greenroom.supervisors.cli.chosen.address import server_url
from greenroom.supervisors.cli.serving.clock import BootClock
from greenroom.supervisors.cli.terminal.console import say
from greenroom.supervisors.cli.terminal.version import VERSION
from greenroom.supervisors.supervision.signals import drain_on_signal, on_hangup

if TYPE_CHECKING:
    from greenroom.supervisors.node.node import Node


def run_node(
    settings: Settings,
    kinds: Kinds,
    views: Views,
    sinks: Sinks,
    jobs: Jobs,
    *,
    listener: socket.socket,
    database_url: str,
    redis_url: str,
    data_folder: DataFolder | None,
    own_servers: OwnServers | None,
    ready: Callable[[str], None],
    draining: Callable[[], None] = lambda: None,
    number: int | None = None,
) -> None:
    """Return once it has drained. `ready` is told its URL once clients are let in; `draining` is called when a signal
    has come. `number`: of several that share an address.

    Raises: StoreUnavailable, when the database can't be reached at the start.
    """
    # Here, for the other commands need none of it, and our own servers start meanwhile.
    from greenroom.supervisors.cli.chosen.kinds import installed_schedules
    from greenroom.supervisors.cli.chosen.tokens import token_verifier
    from greenroom.supervisors.node.node import Node

    node = Node(
        settings,
        kinds=kinds,
        views=views,
        sinks=sinks,
        jobs=jobs,
        schedules=installed_schedules(settings, jobs),
        database_url=database_url,
        redis_url=redis_url,
        tokens=token_verifier(settings, data_folder),
        listener=listener,
        url=server_url(settings, port=listener.getsockname()[1]),
        version=VERSION,
        clock=time.time,
        own_servers=own_servers,
        number=number,
    )
    trio.run(_run, node, ready, draining, clock=BootClock(), strict_exception_groups=True)


def say_ready(url: str) -> None:
    """To whoever has typed `serve`."""
    say(f"Greenroom is ready: {url}")


async def _run(node: "Node", ready: Callable[[str], None], draining: Callable[[], None]) -> None:
    drain = trio.Event()
    async with trio.open_nursery() as nursery:  # owner: the process
        await nursery.start(drain_on_signal, drain)
        await nursery.start(on_hangup, node.look_at_keys)
        async with trio.open_nursery() as running:
            await running.start(node.run, drain)
            ready(node.url)
            await drain.wait()
            draining()
        nursery.cancel_scope.cancel()
