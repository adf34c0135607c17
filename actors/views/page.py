"""Page: the rows of a view that can be watched together, and in which order."""

from typing import Annotated

from msgspec import Meta, Struct

LIMIT_MAX = 1_000  # rows of one page
ALL = "all"  # the key of the only page of a view whose pages are not by anything


class Page(Struct, frozen=True, kw_only=True):
    """What a view's channel shows: `watch = Page(by="show", order="-claps", limit=100)`, as `standings:finale`.

    A row belongs to the page that its key field `by` names; without `by` all rows are one page, `rooms:all`.
    """

    by: str = ""  # a key field that is a text
    order: str | tuple[str, ...] = ()  # fields, `-claps` for the largest first; equal ones, and else all, by their keys
    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = 100  # the first so many rows
    per_s: Annotated[float, Meta(gt=0, le=100)] = (
        5.0  # that watchers are told of changes at most so many times a second
    )

    @property
    def terms(self) -> tuple[str, ...]:
        """`order` as a tuple."""
        return (self.order,) if isinstance(self.order, str) else self.order

    def total(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        """The order of one page's rows, in which no two are equal: `order`, and then the fields `keys` that it leaves
        open, the same way round as its last one, so that one comparison of rows says what is behind another."""
        terms = self.terms
        named = {self.by, *(term.removeprefix("-") for term in terms)}
        sign = "-" if terms and terms[-1].startswith("-") else ""
        return (*terms, *(f"{sign}{name}" for name in keys if name not in named)) or keys
