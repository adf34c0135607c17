"""What a text comes to: always bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.model.principal import user_id_problem
from greenroom.actors.social.texts import (
    MENTIONS_MAX,
    PREVIEW_CHARS,
    TAG_CHARS_MAX,
    TAGS_MAX,
    kept,
    mentions_of,
    preview,
    tag_named,
    tags_of,
)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", []),
        ("#Tea and #tea, #TEE-time", ["tea", "tee"]),
        ("#straße #STRASSE", ["strasse"]),
        ("a#b &#39; ##x /#anchor #1 #2024 #2024berlin", ["2024berlin"]),
        ("#" + "x" * TAG_CHARS_MAX + " #" + "x" * (TAG_CHARS_MAX + 1), ["x" * TAG_CHARS_MAX]),
        ("#ﷺ" * 50, []),  # one character that is many in its plain form
    ],
)
def test_tags(text: str, tags: list[str]) -> None:
    assert tags_of(text) == tags


def test_a_tag_that_is_looked_for_is_spelled_as_one_that_is_found() -> None:
    assert tag_named("#Tea") == tag_named("TEA") == "tea"
    assert tag_named("two words") == tag_named("") == tag_named("x" * 1_000) == ""


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@ann, @bob! (@cat) @ann", ["ann", "bob", "cat"]),
        ("mail@ann.de @@bob", []),
        ("@system @anonymous @" + "é" * 64, ["é" * 64]),
        ("@" + "x" * 65, []),
        ("@\0 @a\0b", []),
    ],
)
def test_mentions(text: str, names: list[str]) -> None:
    assert mentions_of(text) == names


@pytest.mark.bound("tags and mentions of one text")
def test_ten_thousand_mentions_and_tags_come_to_a_few() -> None:
    names = [f"u{number}" for number in range(10_000)]
    assert mentions_of(" ".join(f"@{name}" for name in names)) == names[:MENTIONS_MAX]
    assert tags_of(" ".join(f"#{name}" for name in names)) == names[:TAGS_MAX]


@given(st.text(alphabet=st.sampled_from("#@a1_é \0ﷺ.\n"), max_size=300))
def test_whatever_the_text_is(text: str) -> None:
    tags, names = tags_of(text), mentions_of(text)
    assert len(tags) <= TAGS_MAX and len(names) <= MENTIONS_MAX and len(set(tags)) == len(tags)
    assert all(tag_named(tag) == tag for tag in tags), "its own spelling"
    assert not any(map(user_id_problem, names))
    assert "\0" not in kept(text) and len(preview(text)) <= PREVIEW_CHARS
