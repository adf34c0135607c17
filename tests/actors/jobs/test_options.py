"""What a job may have beside its arguments, as it is stored."""

import msgspec
import pytest

from greenroom.actors.jobs.options import Options, UniqueKey, decode_options


def test_what_is_stored_comes_back_and_nothing_is_stored_of_nothing() -> None:
    options = Options(unique=UniqueKey("k", "throttle", 5.0), origin="film:a", about="hd")
    assert decode_options(options.encode()) == options
    assert Options().encode() is None and decode_options(None) is None


def test_what_this_release_does_not_know_is_none() -> None:
    assert decode_options(b'{"unique":{"key":"k","mode":"newer"}}') is None
    assert decode_options(b'{"origin":"film:a","newer":1}') == Options(origin="film:a")


@pytest.mark.parametrize(
    "given",
    [
        '{"key":""}',
        '{"key":"k","mode":"throttle"}',
        '{"key":"k","mode":"debounce","ttl_s":0}',
        '{"key":"k","mode":"throttle","ttl_s":-1}',
        '{"key":"k","ttl_s":604801}',
    ],
)
def test_a_key_out_of_bounds_is_refused(given: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(given, type=UniqueKey)


def test_only_one_that_waits_for_quiet_is_put_off() -> None:
    assert UniqueKey("k", "debounce", 5.0).due_ms(1_000) == 6_000
    assert UniqueKey("k", "throttle", 5.0).due_ms(1_000) == 1_000
