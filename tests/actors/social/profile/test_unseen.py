"""What nobody sees of a text."""

import pytest

from greenroom.actors.social.profile.unseen import is_unseen, without_unseen

UNSEEN = ["͏", "︀", "️", "󠄀", "\u200b", "\xad", "\u2065", "\u180e", "\x01", "\x7f", "\U000e0041"]


@pytest.mark.parametrize("one", UNSEEN, ids=lambda one: f"{ord(one):04X}")
def test_what_nobody_sees_is_taken_out_and_parts_nothing(one: str) -> None:
    assert without_unseen(f"fr{one}ee") == "free" and is_unseen(one)


def test_what_is_blank_parts_words() -> None:
    for one in " \n\t\x85\u00a0\u3164\u115f\u2800":
        assert without_unseen(f"a{one}b") == f"a{one}b"
    assert is_unseen("\u3164") and not is_unseen(" ") and not is_unseen("a") and not is_unseen("\u0301")
