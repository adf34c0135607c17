"""What a case is about."""

import pytest

from greenroom.actors.social.moderation.messages import Flag, Verdict
from greenroom.actors.social.moderation.subject import SHADOWED, About, about_of, case_of, flag_of

POST = "0123456789abcdef" * 2


@pytest.mark.parametrize("about", [About(POST), About(POST, 1), About(POST, 123_456)])
def test_a_key_says_what_it_is_about(about: About) -> None:
    assert about_of(case_of(about.post, about.comment).removeprefix("case:")) == about


@pytest.mark.parametrize(
    "key",
    [
        "",
        "ann",
        POST[1:],
        POST.upper(),
        f"{POST}.",
        f"{POST}.0",
        f"{POST}.01",
        f"{POST}.1.2",
        f"{POST}.{10**15}",
        f"{POST}\n",
    ],
)
def test_and_others_say_nothing(key: str) -> None:
    assert about_of(key) is None


def test_moderators_are_told_of_what_rules_have_hidden_and_not_of_what_they_have_decided() -> None:
    assert flag_of(Verdict("hide", "luck"), "ann") == Flag(author="ann", rule="luck", verdict="hide")
    assert flag_of(Verdict("shadow", "luck"), "ann") == Flag(author="ann", rule="luck", verdict="shadow")
    for verdict in (Verdict("fine"), Verdict("refuse", "luck"), Verdict("shadow", SHADOWED)):
        assert flag_of(verdict, "ann") is None
