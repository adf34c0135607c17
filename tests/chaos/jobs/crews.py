"""Processes of `greenroom work`, several on this host: started, struck, looked after and ended, each by its own id."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil

from bench.server import ROOT
from greenroom.store.own.processes import die_with_parent
from tests.chaos.faults import Fault
from tests.chaos.jobs.attempts import Struck
from tests.chaos.jobs.chores import QUEUE

CREWS = 3
SLOTS = 4
STOP_S = 40.0  # that one which is told to stop may take
PAUSE_S = 0.5  # before another one is started in the place of one that has ended
HELD_UP_S = 10.5  # who stands still for longer has lost its lease


class Crews:
    """`with Crews(...) as crews:` and none is left afterwards."""

    def __init__(self, url: str, settings: dict[str, str], log: Path, say: Callable[[str], None]) -> None:
        self._url = url
        self._settings = settings
        self._log = log
        self._say = say
        self._running: list[subprocess.Popen[bytes]] = []
        self._stops_by: dict[int, float] = {}
        self._stalled: list[tuple[float, subprocess.Popen[bytes]]] = []
        self._start_at = 0.0
        self.started = 0
        self.overdue = 0  # stops that took too long
        self.hit: Counter[str] = Counter()
        self.struck: list[Struck] = []

    def __enter__(self) -> "Crews":
        self.tend()
        return self

    def __exit__(self, *_: object) -> None:
        self.calm()
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.overdue += 1
                process.kill()
                process.wait()
        self._running.clear()

    def _start(self) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GREENROOM_")}
        command = [sys.executable, "-m", "greenroom.supervisors", "work", f"{QUEUE}:{SLOTS}", "--server", self._url]
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**inherited, **self._settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        self._running.append(process)
        self.started += 1

    def strike(self, fault: Fault, *, is_clear: bool) -> bool:
        """Do it, to one of them; False when nobody is there. `is_clear`: nobody else is struck at this time."""
        there = [one for one in self._running if one.poll() is None and one.pid not in self._stops_by]
        there = [one for one in there if all(one is not stalled for _, stalled in self._stalled)]
        if not there:
            return False
        process = there[int(fault.pick * len(there))]
        with contextlib.suppress(psutil.NoSuchProcess):
            children = [one.pid for one in psutil.Process(process.pid).children(recursive=True)]
            if fault.victim == "child":
                if not children:
                    return False
                os.kill(children[0], signal.SIGKILL)
            elif not self._strike(fault, process, children, is_clear=is_clear):
                return False
            self.hit[fault.kind] += 1
            self._say(f"{fault.kind}{f' for {fault.stall_s:.1f} s' if fault.stall_s else ''}: process {process.pid}")
            return True
        return False

    def _strike(self, fault: Fault, process: subprocess.Popen[bytes], children: list[int], *, is_clear: bool) -> bool:
        pids, now_ns = frozenset((process.pid, *children)), time.monotonic_ns()
        if fault.deed == "kill":
            process.kill()
            self.struck.append(Struck(pids, now_ns, is_dead=True, is_clear=is_clear))
        elif fault.deed == "restart":
            process.terminate()
            self._stops_by[process.pid] = time.monotonic() + STOP_S
        else:
            process.send_signal(signal.SIGSTOP)
            self._stalled.append((time.monotonic() + fault.stall_s, process))
            if fault.stall_s > HELD_UP_S:
                self.struck.append(Struck(pids, now_ns, is_dead=False, is_clear=is_clear))
        return True

    def tend(self) -> None:
        """Let those go on whose stall is over, and start others for those that have ended. Called again and again."""
        now = time.monotonic()
        self._let_go(now)
        for process in self._running[:]:
            if process.poll() is not None:
                self._running.remove(process)
                self._stops_by.pop(process.pid, None)
                self._start_at = now + PAUSE_S
            elif now > self._stops_by.get(process.pid, float("inf")):
                self.overdue += 1
                process.kill()
        if now >= self._start_at:
            while len(self._running) < CREWS:
                self._start()

    def calm(self) -> None:
        """No more faults: everybody goes on."""
        self._let_go(float("inf"))

    def _let_go(self, now: float) -> None:
        over = [one for until, one in self._stalled if now >= until]
        self._stalled = [entry for entry in self._stalled if now < entry[0]]
        for process in over:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
