"""The command line, one for all of these tests."""

from collections.abc import Iterator

import pytest

from tests.faults.process.command_line import CommandLine


@pytest.fixture(scope="session")
def command_line() -> Iterator[CommandLine]:
    with CommandLine() as command_line:
        yield command_line
