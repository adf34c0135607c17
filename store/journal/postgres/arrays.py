"""Arrays as arguments. Integers as an array's text: asyncpg asks of each element of a list whether it is a list itself,
which costs more than twice what writing and reading the text does."""

from typing import Any

AS_TEXT = ("bigint", "int", "uuid")  # types whose arrays are given so


def integers(column: list[int]) -> str:
    return f"{{{str(column)[1:-1]}}}"


def integers_or_null(column: list[int | None]) -> str:
    return f"{{{str(column)[1:-1].replace('None', 'NULL')}}}"


def argument(column: list[Any], kind: str) -> object:
    """The array of a column with values of this type, or NULL."""
    if kind == "uuid":  # as they are, or as hex digits
        return f"{{{','.join(['NULL' if one is None else str(one) for one in column])}}}"
    return integers_or_null(column) if kind in AS_TEXT else column


def parameter(number: int, kind: str) -> str:
    """Where it is among the parameters."""
    return f"${number}::{'text::' if kind in AS_TEXT else ''}{kind}[]"
