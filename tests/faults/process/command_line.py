"""The command line as a person has it: what it prints, and its exit status.

Importing all of the server takes longer than most commands do. So one process imports it, and forks for each command.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.e2e.server import ROOT, Server

WITHIN_S = 60  # it may have to start a database


class Ran(NamedTuple):
    status: int  # negative: ended by this signal
    out: str
    err: str


class CommandLine:
    """`with CommandLine() as command_line: ...`; one command at a time."""

    def __enter__(self) -> "CommandLine":
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from tests.faults.process.command_line import fork_for_each; fork_for_each()"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def greenroom(self, server: Server, *arguments: str) -> Ran:
        """With the settings of `server`, running or not."""
        return self.run(arguments, server._environment())

    def run(self, arguments: Iterable[str], settings: dict[str, str] | None = None, *, folder: Path = ROOT) -> Ran:
        """With `settings` and no others of ours."""
        ours = {name: value for name, value in (settings or {}).items() if name.startswith("GREENROOM_")}
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([list(arguments), ours, str(folder)]) + "\n")
        self._process.stdin.flush()
        return Ran(*json.loads(self._process.stdout.readline()))


def fork_for_each() -> None:
    """The process: a command a line in, its outcome a line out."""
    from greenroom.supervisors.cli.app import main
    from greenroom.supervisors.cli.terminal.console import console

    gc.collect()
    gc.freeze()  # see tests/starting/forking.py
    for line in sys.stdin:
        arguments, settings, folder = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            if (pid := os.fork()) == 0:
                signal.alarm(WITHIN_S)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                os.chdir(folder)
                for name in [name for name in os.environ if name.startswith("GREENROOM_")]:
                    del os.environ[name]
                os.environ |= {"COLUMNS": "200", **settings}
                sys.argv = ["greenroom", *arguments]
                console.file = sys.stdout
                status = 1
                try:
                    main()
                except SystemExit as end:
                    status = end.code if isinstance(end.code, int) else int(end.code is not None)
                except BaseException:
                    sys.excepthook(*sys.exc_info())
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
            _, wait_status = os.waitpid(pid, 0)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode())
        print(json.dumps([os.waitstatus_to_exitcode(wait_status), *texts]), flush=True)
