"""Tests of others, in folders of their own: those of the pages in docs/guides, and of a reader who follows them.

Importing pytest, its plugins and Greenroom takes ten times as long as most of them do. So one process imports it all,
and forks for each folder.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
WITHIN_S = 60
# Not among what a reader has; its plugin would bring all of it.
OPTIONS = ("-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", ".")


class Ran(NamedTuple):
    status: int  # negative: ended by this signal
    out: str


class PageTests:
    """`with PageTests() as page_tests: ...`; one folder at a time."""

    def __enter__(self) -> "PageTests":
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from tests.starting.page_tests import fork_for_each; fork_for_each()"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, folder: Path) -> Ran:
        """As `python -m pytest` there, whose modules come before all others."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(str(folder)) + "\n")
        self._process.stdin.flush()
        return Ran(*json.loads(self._process.stdout.readline()))


def fork_for_each() -> None:
    """The process: a folder a line in, what became of its tests a line out."""
    for name in ("hypothesis", "pytest_trio", "trio.testing", "greenroom.testing", "greenroom.supervisors.node.node"):
        import_module(name)
    gc.collect()
    gc.freeze()  # see forking.py
    for line in sys.stdin:
        folder = json.loads(line)
        with tempfile.TemporaryFile() as out:
            if (pid := os.fork()) == 0:
                signal.alarm(WITHIN_S)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                for stream in (1, 2):
                    os.dup2(out.fileno(), stream)
                os.chdir(folder)
                sys.path[0] = folder
                status = 1
                try:
                    status = int(pytest.main(list(OPTIONS)))
                finally:
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(status)
            _, wait_status = os.waitpid(pid, 0)
            out.seek(0)
            text = out.read().decode()
        print(json.dumps([os.waitstatus_to_exitcode(wait_status), text]), flush=True)
