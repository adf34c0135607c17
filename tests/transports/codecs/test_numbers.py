import pytest

from greenroom.transports.codecs.numbers import seconds, whole_number


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("7", 7), ("300", 300)])
def test_whole_numbers_up_to_the_bound(text: str, number: int) -> None:
    assert whole_number(text, most=300) == number


@pytest.mark.parametrize(
    "text",
    ["", "301", "-1", "+1", " 1", "1 ", "1_0", "1.0", "0x1", "007", "00", "٣", "²", "1\n", "9" * 5000, "0" * 5000],
)
def test_anything_else_is_none(text: str) -> None:
    assert whole_number(text, most=300) is None


@pytest.mark.parametrize(("text", "value"), [("1", 1.0), ("0.5", 0.5), ("60", 60.0), ("60.000", 60.0), ("5e-1", 0.5)])
def test_seconds_up_to_the_bound(text: str, value: float) -> None:
    assert seconds(text, most=60.0) == value


@pytest.mark.parametrize(
    "text", ["", "0", "0.0", "-1", "60.1", "nan", "inf", "1e2", "1_0", ".5", "1.", "٣", " 1", "1\n", "9" * 5000]
)
def test_what_are_no_seconds_is_none(text: str) -> None:
    assert seconds(text, most=60.0) is None
