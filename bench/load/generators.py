"""Load generators: processes of their own, so that they share neither the server's interpreter nor its bench's.

Each is one plain function `work(link, plan)` that runs in a freshly spawned Python. The bench (parent) and its
generators talk over a pipe in single words: `link.say("ready")` here is `fleet.wait("ready")` there, and the other way
round.
"""

import gc
import multiprocessing
import resource
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any


class GeneratorFailed(Exception):
    """A generator stopped, or did not answer in time; the text says which and why."""


class Link:
    """A generator's side of the pipe, and the meter of what it costs itself."""

    def __init__(self, pipe: "Connection[Any, Any]") -> None:
        self._pipe = pipe
        self._cpu_s = self._wall_s = 0.0

    def say(self, word: str, value: Any = None) -> None:
        self._pipe.send((word, value))

    def wait(self, word: str) -> Any:
        """Wait for the bench to say `word`; gives what came with it. Raises: EOFError when the bench is gone."""
        heard, value = self._pipe.recv()
        assert heard == word, f"expected {word!r}, heard {heard!r}"
        return value

    def heard(self, word: str) -> tuple[bool, Any]:
        """Has the bench said `word` by now? Never waits."""
        return (True, self.wait(word)) if self._pipe.poll() else (False, None)

    def measure(self) -> None:
        """From here on the generator's own cost counts. Stops the garbage collector: the hot loops make no cycles."""
        gc.collect()
        gc.freeze()
        gc.disable()
        self._cpu_s, self._wall_s = time.process_time(), time.perf_counter()

    def cost(self) -> dict[str, float]:
        """CPU and wall seconds since `measure`."""
        return {"cpu_s": time.process_time() - self._cpu_s, "wall_s": time.perf_counter() - self._wall_s}


class Fleet:
    """The bench's side of its generators."""

    def __init__(self, processes: Sequence[Any], pipes: "Sequence[Connection[Any, Any]]") -> None:
        self._processes = processes
        self._pipes = pipes

    def tell(self, word: str, value: Any = None) -> None:
        for pipe in self._pipes:
            with suppress(BrokenPipeError):  # it died; the next `wait` reads its last words
                pipe.send((word, value))

    def wait(self, word: str, *, within_s: float, waiting: Callable[[float], None] | None = None) -> list[Any]:
        """What each generator said with `word`, in order; `waiting` is called now and then with the seconds so far.

        Raises: GeneratorFailed.
        """
        begun = time.monotonic()
        values = []
        for number, pipe in enumerate(self._pipes):
            while not pipe.poll(0.1):
                passed = time.monotonic() - begun
                if passed > within_s:
                    raise GeneratorFailed(f"generator {number} did not say {word!r} within {within_s:.0f} s")
                if waiting is not None:
                    waiting(passed)
            try:
                heard, value = pipe.recv()
            except EOFError:
                raise GeneratorFailed(f"generator {number} died before it said {word!r}") from None
            if heard == "failed":
                raise GeneratorFailed(f"generator {number}: {value}")
            assert heard == word, f"expected {word!r}, heard {heard!r}"
            values.append(value)
        return values

    def stop(self) -> None:
        """End what still runs, each within five seconds."""
        for pipe in self._pipes:
            with suppress(OSError):
                pipe.close()
        for process in self._processes:
            process.join(0.5)
            if process.is_alive():
                process.terminate()
                process.join(4.5)
            if process.is_alive():
                process.kill()


@contextmanager
def fleet(work: Callable[[Link, Any], None], plans: Sequence[Any]) -> Iterator[Fleet]:
    """One generator per plan, ended when the block ends."""
    spawn = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for plan in plans:
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=_generator, args=(theirs, work, plan), daemon=True)
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    running = Fleet(processes, pipes)
    try:
        yield running
    finally:
        running.stop()


def raise_file_limit() -> int:
    """Allow this process, and those it starts, as many descriptors as the system grants; gives that number."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _generator(pipe: "Connection[Any, Any]", work: Callable[[Link, Any], None], plan: Any) -> None:
    raise_file_limit()
    try:
        work(Link(pipe), plan)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        pass  # the bench is gone or has had enough: so have we
    except Exception as error:  # the edge: the bench prints it
        with suppress(OSError):
            pipe.send(("failed", f"{error or type(error).__name__}\n{traceback.format_exc()}"))
