"""The child of `serve --reload` or `--nodes N`: loads the code as it is now, and serves when the parent says so.

    python -m greenroom.supervisors.cli.serving.child DESCRIPTOR

Started by child_process.py, with its end of the pair of sockets as DESCRIPTOR.
"""

import contextlib
import importlib
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

import msgspec
import structlog

from greenroom.config.settings import load_settings
from greenroom.config.telemetry.logs import configure_logs, logs_aside
from greenroom.store.own.data_folder import DataFolder
from greenroom.supervisors.cli.chosen.kinds import installed_jobs, installed_kinds, installed_sinks, installed_views
from greenroom.supervisors.cli.serving.handing import DRAINING, GO, LOADED, READY, Given, held_by_the_parent
from greenroom.supervisors.cli.serving.loading import loading
from greenroom.supervisors.cli.serving.running import run_node, say_ready
from greenroom.supervisors.cli.terminal.plainly import told_plainly
from greenroom.transports.sockets.gate import Listener

log = structlog.get_logger("greenroom.serve")

GOODBYE_S = 5.0  # beyond the drain's own deadline


def main() -> None:
    """Serve what the parent gave; the exit status is that of `greenroom serve`."""
    # Until the node catches it: a parent passes it on to who is starting, too. What is in files is read after this.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    parent = socket.socket(fileno=int(sys.argv[1]))
    lines = parent.makefile("rb")
    given = msgspec.json.decode(lines.readline(), type=Given)
    for descriptor in (parent.fileno(), given.listener):
        os.set_inheritable(descriptor, False)  # a program that somebody's code starts would keep the port, and our end
    with told_plainly():
        settings = load_settings(**given.options)
        configure_logs(settings.log, node_number=given.node_number)
        with loading():
            importlib.import_module("greenroom.supervisors.node.node")
        if given.node_number is None:
            # A file saved twice within a second, at the same length, would else be taken for its first version:
            # compiled code is kept under the second of its source's time.
            sys.dont_write_bytecode = True
        kinds = installed_kinds(settings)
        views = installed_views(settings, kinds)
        sinks = installed_sinks(settings, views)
        jobs = installed_jobs(settings)
        if passed_over := [name for name, value in held_by_the_parent(settings).items() if value != given.held[name]]:
            log.warning("settings_passed_over", settings=[f"GREENROOM_{name.upper()}" for name in passed_over])
        parent.sendall(LOADED)
        if lines.readline() != GO:
            return
        ending = threading.Thread(target=_end_with_parent, args=(lines, settings.stopping_s + GOODBYE_S), daemon=True)
        ending.start()

        def tell(word: bytes) -> None:
            with contextlib.suppress(OSError):  # the parent is gone: `ending` finds that out
                parent.sendall(word)

        with logs_aside():
            run_node(
                settings,
                kinds,
                views,
                sinks,
                jobs,
                listener=Listener(fileno=given.listener),
                database_url=given.database_url,
                redis_url=given.redis_url,
                data_folder=DataFolder(Path(given.data_dir)) if given.data_dir is not None else None,
                own_servers=None,
                ready=say_ready if given.node_number is None else lambda url: tell(READY),
                draining=lambda: tell(DRAINING),
                number=given.node_number,
            )


def _end_with_parent(lines: BinaryIO, patience_s: float) -> None:
    """A thread, so that a handler that never returns can't keep us alive alone."""
    lines.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(patience_s)
    os._exit(1)


if __name__ == "__main__":
    main()
