"""Text that clients chose, for a terminal."""

import pytest

from greenroom.supervisors.cli.terminal.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("héllo\n\tthere", "héllo\n\tthere"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u202eb", "a\\x202eb"),
        ("\x00", "\\x00"),
    ],
)
def test_nothing_is_left_that_a_terminal_obeys(text: str, shown: str) -> None:
    assert printable(text) == shown
