"""Whom a message mentions."""

import pytest

from greenroom.actors.chat.room.mentions import MENTIONS_MAX, mentioned


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


@pytest.mark.bound("users whom one message of a room mentions")
def test_the_first_few_mentions_count() -> None:
    assert len(mentioned(" ".join(f"@user{number}" for number in range(100)))) == MENTIONS_MAX
