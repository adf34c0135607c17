"""What somebody may be called."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom import Refused
from greenroom.actors.social.profile.names import BIO_LINES_MAX, clean_bio, clean_name


@pytest.mark.parametrize(
    "name",
    [
        "Ann",
        "ann_42",
        "Zoë Müller-Łukasz",
        "O'Brien 3rd",
        "Вера Иванова",
        "Иван",
        "Ελένη",
        "Արամ",
        "李小龙",
        "宮崎 駿",
        "ひらがな カタカナ 漢字",
        "ミュー Ann",
        "김철수 Kim",
        "محمد علی",
        "می‌خواهم",  # a joiner that is part of the word
        "שרה",
        "नरेंद्र मोदी",
        "ශ්‍රී",
        "สมชาย",
        "Nguyễn Thị Ánh",
        "Ali علی",
        "ann ☕",
        "ann ❤️",
        "ann 👩‍🚀",
        "٣٤",
        "علی ٣",
        "Ali (علی)",
        "김철수Kim",
        "ⵜⴰⵎⴰⵣⵉⵖⵜ",  # Tifinagh
        "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ",  # Cherokee, of which not all looks Latin
        "ꓡꓲ ꓢꓴ ꓬꓵ",  # Lisu
        "ߒߞߏ",
        "𞤀𞤣𞤤𞤢𞤥",
    ],
)
def test_names_of_people_are_taken_as_they_are(name: str) -> None:
    assert clean_name(name) == unicodedata.normalize("NFC", name)


def test_a_name_is_kept_composed_and_with_single_spaces() -> None:
    assert clean_name("  Zoe\u0308 \u00a0\u2003 M  ") == "Zoë M"


@pytest.mark.parametrize(
    "name",
    ["аnn", "pаypal", "Annа", "ann Иван", "Ωmega", "αnn", "Ꭺnn", "annե", "ꓐob", "Aꓠꓠ", "annⵔ", "bഠb", "سann", "ann ⵔ"],
)
def test_letters_of_scripts_that_are_not_written_together_are_refused(name: str) -> None:
    with pytest.raises(Refused, match=r"profile\.mixed_scripts"):
        clean_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "раураӏ",  # all Cyrillic, read as paypal
        "АНН",
        "ΑΝΝ",  # all Greek
        "ᎪᏂᏂ",  # all Cherokee
        "ꓑꓮꓬꓑꓮꓡ",  # all Lisu
        "ᗪᗩᑎ",  # all Canadian syllables
        "сосо 42",
        "𝐚𝐧𝐧",
        "ａｎｎ",
        "ⓐⓝⓝ",
        "ᴀɴɴ",
        "ann ①",
        "ﬁona",
        "annª",
    ],
)
def test_what_can_be_read_as_another_name_is_refused(name: str) -> None:
    with pytest.raises(Refused, match=r"profile\.look_alike"):
        clean_name(name)


@pytest.mark.parametrize("name", ["ⲀⲚⲚ", "𐐛𐐬", "𐊠nn", "ann 𐌰", "❶"])
def test_in_scripts_of_the_past_nobody_is_called(name: str) -> None:
    with pytest.raises(Refused, match=r"profile\.unknown_script"):
        clean_name(name)


def test_who_is_refused_for_looks_alone_is_told_what_helps() -> None:
    with pytest.raises(Refused, match="all of it can be read as Bepa: write more of it"):
        clean_name("Вера")
    assert clean_name("Вера И.") == "Вера И."


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "\u3164",
        "☕",
        "...",
        "ann\u200bbob",
        "ann\u202enna",
        "ann\nbob",
        "ann\x00",
        "\ufeffann",
        "a\u200dnn",
        "ann\ufe0f",
        "ann\ufe00",
        "ann\U000e0100",
        "an\u034fn",
        "ann\u1160",
        "a" + "\u0301\u0302\u0303\u0304\u0305\u0306",
        "ann\ue000",
        "ann\U000e0041",
        "ann\u2028",
        "\ud800",
    ],
)
def test_what_nobody_can_see_is_refused(name: str) -> None:
    with pytest.raises(Refused, match=r"profile\.bad_name"):
        clean_name(name)


@given(st.text(max_size=50))
def test_whatever_is_typed_is_taken_or_refused_and_what_is_taken_stays(text: str) -> None:
    try:
        name = clean_name(text)
    except Refused as error:
        assert error.status == 422
        return
    assert clean_name(name) == name


def test_a_bio_has_lines_and_nothing_that_turns_text_around() -> None:
    assert clean_bio(" I say \r\nwhat I see\n") == "I say \nwhat I see"
    for bad in ("a\x07", "a\u202eb", "a\u2066b", "\n".join("a" * (BIO_LINES_MAX + 1)), "\ud800"):
        with pytest.raises(Refused, match=r"profile\.bad_bio"):
            clean_bio(bad)
