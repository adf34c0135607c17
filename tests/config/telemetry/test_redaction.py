import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.config.telemetry.redaction import REDACTED, redact, redact_text


def cleaned(**event: object) -> dict[str, object]:
    return redact(None, "info", event)


@pytest.mark.parametrize(
    "name", ["token", "auth_secret", "PASSWORD", "Authorization", "set-cookie", "api_key", "tokens"]
)
def test_telling_names_are_redacted_at_any_depth(name: str) -> None:
    assert cleaned(**{name: "hush"}) == {name: REDACTED}
    assert "hush" not in repr(cleaned(request={"headers": [{name: "hush"}, {name: ["hush"]}, {name: b"hush"}]}))


def test_counts_and_durations_are_no_secrets() -> None:
    event = {"token_ttl_s": 900, "tokens_refused": 3, "has_token": True, "token": None, "room": "room:lobby"}
    assert cleaned(**event) == event


@pytest.mark.parametrize(
    "text",
    [
        "can't connect to postgresql://app:hunter2@db:5432/x",
        "redis://:hunter2@cache",
        "Authorization: Bearer hunter2hunter2",
        "GET /events?channel=room:lobby&token=hunter2&x=1",
        "password='hunter2'",
        '{"secret": "hunter2"}',
        "jwt eyJhbGciOi.eyJzdWIiOiJodW50ZXIyIn0.hunter2-sig",
    ],
)
def test_secrets_inside_text_are_redacted(text: str) -> None:
    assert "hunter2" not in redact_text(text) and REDACTED in redact_text(text)
    assert "hunter2" not in repr(cleaned(error=ValueError(text), exception=text, raw=text.encode()))


def test_what_is_no_secret_in_a_text_stays() -> None:
    for text in ("postgresql://db:5432/x", "http://127.0.0.1:8000/?channel=room:@ann+bob", "3 tokens: expired", "ä 💬"):
        assert redact_text(text) == text


def test_a_peer_can_not_drive_the_terminal_nor_fill_the_log() -> None:
    assert redact_text("\x1b[2J\x9b\x00") == "\\x1b[2J\\x9b\\x00"
    assert redact_text("two\n\tlines") == "two\n\tlines"
    assert len(redact_text("x" * 10_000_000)) < 17_000
    deep: list[object] = []
    for _ in range(10_000):
        deep = [deep]
    assert len(repr(cleaned(deep=deep, wide=list(range(100_000))))) < 1_000


def test_numbers_that_json_lacks_become_text_and_a_broken_repr_stays_harmless() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert cleaned(a=float("nan"), b=float("-inf"), c=Broken()) == {"a": "nan", "b": "-inf", "c": "<Broken>"}


@pytest.mark.parametrize(
    "piece", ["a.", "token", "eyJ-", "eyJaaaaa.", "x://", "a://b:", "bearer ", "token='", ":", " "]
)
def test_no_text_takes_quadratic_time(piece: str) -> None:
    """16,000 characters take 1 to 5 ms; with the bounds out of a pattern, its worst piece took 62 to 665 ms."""
    text = piece * (16_000 // len(piece))
    spent_s = []
    for _ in range(3):  # the best of three: the CPU time of a quadratic pattern doesn't depend on luck
        began_s = time.process_time()
        redact_text(text)
        spent_s.append(time.process_time() - began_s)
    assert min(spent_s) < 0.03


@given(st.text())
def test_any_text_survives(text: str) -> None:
    assert all(char.isprintable() or char in "\n\t" or ord(char) > 159 for char in redact_text(text))


def test_controls_of_bidirectional_text_and_of_lines_are_escaped() -> None:
    """They let a terminal show a text in another order than it has."""
    assert redact_text("ann\u202etxt.exe") == "ann\\u202etxt.exe"
    for code in (0x61C, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)):
        assert redact_text(chr(code)) == f"\\u{code:04x}"
    assert redact_text("שלום 😀") == "שלום 😀"
