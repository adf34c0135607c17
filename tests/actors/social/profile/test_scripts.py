"""Scripts and look-alikes."""

from greenroom.actors.social.profile.scripts import LOOK_ALIKES, are_a_word, go_together, is_written, read_as, script_of


def test_the_script_is_in_the_letters_name() -> None:
    letters = {
        "a": "LATIN",
        "ж": "CYRILLIC",
        "李": "HAN",
        "々": "HAN",
        "あ": "HIRAGANA",
        "ー": "KATAKANA",
        "ｱ": "KATAKANA",
    }
    assert {one: script_of(one) for one in letters} == letters
    assert script_of("𝛂") == "GREEK" and script_of("ａ") == "LATIN" and script_of("ｱ") == "KATAKANA"
    assert script_of("7") == script_of("\u0301") == ""


def test_each_look_alike_is_one_letter_of_its_script_and_reads_as_one_of_ascii() -> None:
    for script, letters in LOOK_ALIKES.items():
        for letter, seen in letters.items():
            assert len(letter) == len(seen) == 1 and seen.isascii() and not letter.isascii()
            assert script_of(letter) == script, f"U+{ord(letter):04X}"
            assert read_as(letter) == seen


def test_what_is_ascii_is_read_as_nothing_else() -> None:
    assert read_as("a") is None and read_as("1") is None and read_as("ж") is None
    assert read_as("①") == "1" and read_as("ﬁ") == "fi"


def test_who_writes_in_several_scripts_at_once() -> None:
    assert go_together({"LATIN", "HAN", "KATAKANA"}) and go_together({"LATIN", "ARABIC"}) and go_together(set())
    assert not go_together({"LATIN", "CYRILLIC"}) and not go_together({"CYRILLIC", "GREEK"})
    assert not go_together({"LATIN", "LISU"}) and not go_together({"LATIN", "NKO"})
    assert are_a_word({"LATIN", "HANGUL"}) and are_a_word({"NKO"}) and not are_a_word({"LATIN", "ARABIC"})
    assert not go_together({"HANGUL", "HIRAGANA"}) and not go_together({"LATIN", "ARABIC", "HEBREW"})


def test_which_scripts_people_write_today() -> None:
    for letter in "aжα李あ한عאनกაአᏣⵜꓐᐁᠮߊ":
        assert is_written(script_of(letter)), script_of(letter)
    for letter in "Ⲁ𐐛𐊠ᚠ𐌰𓀀𐤀❶":
        assert not is_written(script_of(letter)), script_of(letter)
