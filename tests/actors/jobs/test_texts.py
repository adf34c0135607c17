"""Names and texts that can be stored, and those that can't."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from greenroom import Refused
from greenroom.actors.jobs.queue.single.steering import Reason
from greenroom.actors.jobs.texts import JobId, Name, is_name, require_json, require_object


@pytest.mark.parametrize("text", ["a", "host/7", "ü 日本 🎬", "\x85\u2028", "x" * 255])
def test_names(text: str) -> None:
    assert msgspec.convert(text, Name) == text and is_name(text)


@pytest.mark.parametrize("text", ["\0", "a\0", "a\n", "\na", "a\x1fb", "a\x7f", "x" * 256])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, Name)
    assert not is_name(text)


def test_half_a_pair_is_no_name() -> None:
    assert not is_name("\ud800")


def test_reasons_have_lines_and_no_nul() -> None:
    assert msgspec.convert("a\r\n\tb", Reason) == "a\r\n\tb"
    for text in ("a\0", "\0", "a\n\x1b[31m", "a\x7f"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(text, Reason)


def test_a_line_after_an_id_is_no_part_of_it() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert("0" * 32 + "\n", JobId)


@pytest.mark.parametrize("check", [require_object, require_json])
def test_deep_json_is_refused_by_name(check: Any) -> None:
    with pytest.raises(Refused, match="nested too deeply") as refused:
        check(Raw(b'{"a":' * 5_000 + b"1" + b"}" * 5_000))
    assert refused.value.status == 422
