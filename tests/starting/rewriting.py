"""The tests as pytest compiles them, with asserts that tell what they compared: once, before a run's processes begin.

Each of these collects all tests, at the same time as the others. On a fresh checkout each would compile all of them for
itself, which takes twice as long as whatever else collecting does.
"""

import contextlib
import multiprocessing
import os
from pathlib import Path

import pytest
from _pytest.assertion import rewrite


def rewrite_ahead(config: pytest.Config) -> None:
    """All that the run may collect and that is not compiled yet, one share for each core. Returns when that is done."""
    files = sorted({file for path in _asked_for(config) for file in _tests_in(path)})
    shares = os.cpu_count() or 1
    forking = multiprocessing.get_context("fork")
    processes = [forking.Process(target=rewrite_each, args=(files[at::shares], config)) for at in range(shares)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def rewrite_each(files: list[Path], config: pytest.Config) -> None:
    """What can't be compiled is left to whoever collects it, and says so."""
    for file in files:
        with contextlib.suppress(OSError, SyntaxError, ValueError):
            folder = rewrite.get_cache_dir(file)
            compiled = folder / (file.stem + rewrite.PYC_TAIL)
            if rewrite._read_pyc(file, compiled) is None:
                source_hash, code = rewrite._rewrite_test(file, config)
                folder.mkdir(exist_ok=True)
                rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, source_hash, compiled)


def _asked_for(config: pytest.Config) -> list[Path]:
    return [config.invocation_params.dir / asked.partition("::")[0] for asked in config.args]


def _tests_in(path: Path) -> list[Path]:
    return [*path.rglob("test_*.py"), *path.rglob("conftest.py")] if path.is_dir() else [path]
