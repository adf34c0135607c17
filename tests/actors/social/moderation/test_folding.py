"""A text as rules see it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.social.moderation.folding import folded, readings, words_and_spelled, words_of


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
        "fr̷ee mo⃝ney",  # of which one letter is struck through, one in a circle
        "fr\u034fee mo\ufe0fney",
        "fr\U000e0100ee mon\x01ey",
        "fr\u115fee mo\u3164ney",
        "fr\u05b0ee mo\u064eney",  # with vowels of Hebrew and Arabic
        "f r 3 3 money",
    ],
)
def test_what_is_read_alike_is_alike(written: str) -> None:
    assert words_of(folded(written)) in (["free", "money"], ["freemoney"])


def test_letters_of_ascii_are_as_those_beside_others() -> None:
    text = "".join(map(chr, range(128)))
    assert folded(text) == folded(f"{text}ж")[:-1]


def test_words_stay_words() -> None:
    assert words_of(folded("Grüße, it's 10430 o'clock")) == ["grusse", "it", "s", "10430", "o", "clock"]
    assert words_of(folded("यह हिन्दी है")) != words_of(folded("यह हनद है")), "vowels of Indic scripts are letters"
    assert words_of(folded("ж\u20ddлж\u0337л")) == ["жлжл"], "what is around a letter, or through it, is none"
    assert words_of(folded("a b")) == ["a", "b"] and words_of(folded("a b c")) == ["abc"]


def test_what_is_blank_is_nothing_to_one_and_parts_words_to_another() -> None:
    read = [words_of(one) for one in readings("cheap\u3164pills")]
    assert read == [["cheappills"], ["cheap", "pills"]] and len(readings("cheap pills")) == 1


def test_which_words_were_spelled() -> None:
    assert words_and_spelled(folded("see a f r 3 3 one, and i t"))[1] == ["afree"]


@given(st.text(max_size=200))
def test_any_text_has_words(text: str) -> None:
    words = words_of(folded(text))
    assert all(word and word == word.strip() for word in words)
    assert words_of(folded(text.upper().lower())) == words_of(folded(text.lower()))
