"""Whom a text mentions, and what of it a row can keep."""

import pytest

from greenroom.actors.chat.views.texts import MENTIONS_MAX, kept, mentioned, preview


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("nobody", []),
        ("@ann", ["ann"]),
        ("hi @ann, @bob: (@cat) “@dan” @eve's", ["ann", "bob", "cat", "dan", "eve's"]),
        ("@ann @ann", ["ann"]),
        ("mail ann@example.org", []),
        ("@ @. @@ann", []),
        ("@j.r.r.tolkien.", ["j.r.r.tolkien"]),
        ("@" + "x" * 65, []),
        ("@zoë @日本", ["zoë", "日本"]),
        ("@a\0nn", ["ann"]),
    ],
)
def test_mentioned(text: str, names: list[str]) -> None:
    assert mentioned(text) == names


def test_the_first_few_mentions_count() -> None:
    assert len(mentioned(" ".join(f"@user{number}" for number in range(100)))) == MENTIONS_MAX


def test_what_a_row_can_keep() -> None:
    assert kept("a\0b") == "ab"
    assert preview("\0" + "x" * 1_000) == "x" * 160
