"""Scenarios in JavaScript, run by name in one Node process (tests/js/scenarios.mjs is the other side).

A line of JSON each way: `{"run", "arguments"}` to it; back `{"ask"}` when the scenario wants something done to the
server, which is answered with a line, and in the end `{"done"}` or `{"failed"}`.
"""

import json
import selectors
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

SCENARIO_S = 60.0


class JavaScript:
    def __init__(self, script: Path) -> None:
        self._script = script
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""

    @staticmethod
    def available(package: Path) -> bool:
        return shutil.which("node") is not None and package.exists()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, scenario: str, arguments: Any, asked: Mapping[str, Callable[[], Any]] | None = None) -> Any:
        """What the scenario returns; `asked` holds what it may ask to be done."""
        process = self._process
        if process is None or process.poll() is not None:
            process = self._process = subprocess.Popen(
                ["node", str(self._script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            self._rest = b""
        self._write({"run": scenario, "arguments": arguments})
        deadline = time.monotonic() + SCENARIO_S
        while True:
            line = self._read_line(deadline)
            match json.loads(line):
                case {"ask": what}:
                    self._write({"answer": (asked or {})[what]()})
                case {"failed": why}:
                    raise AssertionError(f"{self._script.name} {scenario}: {why}")
                case {"done": result}:
                    return result

    def _write(self, message: Any) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def _read_line(self, deadline: float) -> bytes:
        assert self._process is not None and self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    self._end()
                    raise AssertionError(f"{self._script.name} did not finish in {SCENARIO_S:g} s")
                piece = self._process.stdout.read1(65_536)  # type: ignore[attr-defined]
                if not piece:
                    raise AssertionError(f"{self._script.name} ended by itself with {self._process.wait(5.0)}")
                self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _end(self) -> None:
        """Closing its input asks it to go; then it is made to."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5.0)
        process.stdout.close()
