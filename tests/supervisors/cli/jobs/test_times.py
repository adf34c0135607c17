"""Times as people type and read them."""

import pytest

from greenroom.supervisors.cli.jobs.times import ago, ahead, lasting, moment_of, span_s
from greenroom.supervisors.cli.terminal.plainly import Trouble

NOW_S = 1_000_000.0


def test_a_span_lies_before_now_or_ahead_and_a_moment_where_it_is() -> None:
    assert (ago("--since", "30m", NOW_S), ahead("--at", "2h", NOW_S)) == (998_200_000, 1_007_200_000)
    assert ago("--since", "99999d", NOW_S) == 0
    assert ago("--since", None, NOW_S) is None
    for text in ("1970-01-02", "1970-01-02T00:00", "1970-01-02T02:00+02:00"):
        assert ahead("--at", text, NOW_S) == 86_400_000
    assert span_s("--within", "90s") == 90.0


@pytest.mark.parametrize("text", ["", "yesterday", "5", "-5m", "5 m", "2026-13-01"])
def test_what_is_none_is_refused_by_its_option(text: str) -> None:
    for read in (ago, ahead):
        with pytest.raises(Trouble, match=r"--since .*: must be as 30m"):
            read("--since", text, NOW_S)
    with pytest.raises(Trouble, match="--within"):
        span_s("--within", text)


def test_how_long_it_has_lasted() -> None:
    shown = [lasting(ms) for ms in (1_500, 45_000, 600_000, 36_000_000, 864_000_000)]
    assert shown == ["1.5 s", "45 s", "10 min", "10 h", "10 d"]
    assert moment_of(86_400_000) == "1970-01-02 00:00:00"
