"""What a case is about."""

import pytest

from greenroom.actors.social.moderation.subject import About, about_of, case_of

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
