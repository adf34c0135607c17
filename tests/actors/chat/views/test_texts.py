"""What of a text a row can keep."""

from greenroom.actors.chat.views.texts import kept, preview


def test_what_a_row_can_keep() -> None:
    assert kept("a\0b") == "ab"
    assert preview("\0" + "x" * 1_000) == "x" * 160
