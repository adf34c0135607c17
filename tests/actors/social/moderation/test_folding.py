"""A text as rules see it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.social.moderation.folding import folded, words_of


@pytest.mark.parametrize(
    "written",
    [
        "free money",
        "FREE  Money!",
        "ｆｒｅｅ ｍｏｎｅｙ",  # wide
        "𝔣𝔯𝔢𝔢 𝐦𝐨𝐧𝐞𝐲",  # letters of mathematics
        "frée mönëy",
        "frеe mоnеy",  # some of it Cyrillic
        "frее mοnеy",  # and Greek
        "fr33 m0n3y",
        "f\u200br\u200dee mo\u00adney",  # with what nobody sees
        "f r e e money",
        "f.r.e.e, m-o-n-e-y",
        "f̷r̷e̷e̷ m̷o̷n̷e̷y̷",
    ],
)
def test_what_is_read_alike_is_alike(written: str) -> None:
    assert "".join(words_of(folded(written))) == "freemoney"


def test_letters_of_ascii_are_as_those_beside_others() -> None:
    text = "".join(map(chr, range(128)))
    assert folded(text) == folded(f"{text}ж")[:-1]


def test_words_stay_words() -> None:
    assert words_of(folded("Grüße, it's 10430 o'clock")) == ["grusse", "it", "s", "10430", "o", "clock"]
    assert words_of(folded("यह हिन्दी है")) != words_of(folded("यह हनद है")), "vowels of Indic scripts are letters"
    assert words_of(folded("a b")) == ["a", "b"] and words_of(folded("a b c")) == ["abc"]


@given(st.text(max_size=200))
def test_any_text_has_words(text: str) -> None:
    words = words_of(folded(text))
    assert all(word and word == word.strip() for word in words)
    assert words_of(folded(text.upper().lower())) == words_of(folded(text.lower()))
