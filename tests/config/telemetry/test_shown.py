"""An exception is shown whatever its own code does."""

from greenroom.config.telemetry.shown import said, shown


class Unset(Exception):
    def __repr__(self) -> str:
        return f"Unset({self.code})"  # type: ignore[attr-defined]

    __str__ = __repr__


def test_what_shows_itself_is_shown_so() -> None:
    assert shown(ValueError("x")) == "ValueError('x')"
    assert said(ValueError("x")) == "x"


def test_what_fails_at_that_is_named_with_the_reason() -> None:
    assert shown(Unset()) == "<Unset: its repr raises AttributeError>"
    assert said(Unset()) == "<Unset: its text raises AttributeError>"


def test_what_nests_past_the_stack_is_named_too() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert shown(ValueError(deep)) == "<ValueError: its repr raises RecursionError>"
    while deep:  # taken apart by hand: freeing it at once would be as deep
        (deep,) = deep  # type: ignore[assignment]
