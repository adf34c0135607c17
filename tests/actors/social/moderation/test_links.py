"""The hosts that a text leads to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.social.moderation.links import HOST_CHARS_MAX, and_above, host_name, hosts_of


@pytest.mark.parametrize(
    "text",
    [
        "see evil.example now",
        "http://evil.example",
        "HTTPS://EVIL.example/path?of=it#there",
        "(evil.example:8080/x)",
        "https://good.example@evil.example/",
        "evil．example",
        "evil。example/x",
        "еvil.example",  # the first letter is Cyrillic
        "evil.example.",
        "<a href='//evil.example\\x'>",
        "http:/evil.example",
        "https:evil.example",
        "http:\\\\evil.example",
        "http://evil%2eexample/",
        "http://%65vil%EF%BC%8Eexample",
        "http://ev\u00adil.example",
        "ev\ufe0fil\u034f.example",
        "see:evil.example",
        "😀evil.example",
        "→evil.example",
        "`evil.example`",
        "x=evil.example",
        "look...evil.example",
        "请看evil.example谢谢",
        "смотриevil.example",
    ],
)
def test_a_host_is_found_however_it_is_written(text: str) -> None:
    assert "evil.example" in hosts_of(text)


def test_a_host_in_other_letters_has_its_name_in_the_dns() -> None:
    assert "xn--bcher-kva.example" in hosts_of("bücher.example")
    assert host_name("Bücher.example") == "xn--bcher-kva.example" == host_name("xn--bcher-kva.example")


@pytest.mark.parametrize("none", ["", ".", "word", "a..b", "…", "ü" * 200 + ".example", "a" * HOST_CHARS_MAX + ".b"])
def test_what_is_no_host_is_none(none: str) -> None:
    assert host_name(none) == ""


def test_the_last_of_many_links_counts_as_the_first() -> None:
    assert len(hosts_of(" ".join(f"a{number}.b" for number in range(1_000)))) == 1_000


def test_what_a_host_is_below_of() -> None:
    assert and_above("a.b.example") == ["a.b.example", "b.example", "example"]


@given(st.text(max_size=300))
def test_any_text_has_hosts_or_none(text: str) -> None:
    for host in hosts_of(text):
        assert host.isascii() and len(and_above(host)) <= 128
