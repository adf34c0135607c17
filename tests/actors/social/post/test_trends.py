"""Tags by how many use them, hour by hour."""

from typing import Any

import pytest

from greenroom.actors.social.post.events import Content, Published
from greenroom.actors.social.post.state import PostState
from greenroom.actors.social.post.trends import HOUR_MS, TAGS_COUNTED_MAX, Trends, hour_of
from greenroom.actors.views.view import Origin
from greenroom.testing import fold

HOUR = 487_000


def post(number: int, hour: int = HOUR) -> str:
    return f"post:{(hour * HOUR_MS << 80) + number:032x}"


def published(author: str, *tags: str, veil: str = "", **fields: Any) -> Published:
    content = Content(author=author, tags=list(tags), **fields)
    return Published(content=content, **({veil: True} if veil else {}))


def counts(*events: tuple[str, Any]) -> dict[tuple[str, str], int]:
    return {(row.hour, row.tag): row.authors for row in fold(Trends, events) if not row.author}


def test_authors_count_once_an_hour_for_each_tag() -> None:
    assert counts(
        (post(1), published("ann", "tea", "milk")),
        (post(2), published("ann", "tea")),
        (post(3), published("bob", "tea")),
        (post(4, HOUR + 1), published("ann", "tea")),
    ) == {(str(HOUR), "tea"): 2, (str(HOUR), "milk"): 1, (str(HOUR + 1), "tea"): 1}
    assert hour_of(HOUR * HOUR_MS + HOUR_MS - 1) == str(HOUR)


def test_what_is_not_for_everybody_counts_for_nothing() -> None:
    assert not counts(
        (post(1), published("ann", "tea", visibility="followers")),
        (post(2), published("bob", "tea", is_story=True)),
        (post(3), published("cyd", "tea", veil="is_pending")),
        (post(4), published("dan", "tea", veil="is_shadowed")),
    )


@pytest.mark.bound("tags of one post that count for what is popular")
def test_of_a_post_with_many_tags_the_first_count() -> None:
    tags = [f"t{number}" for number in range(TAGS_COUNTED_MAX + 3)]
    assert sorted(tag for _, tag in counts((post(1), published("ann", *tags)))) == tags[:TAGS_COUNTED_MAX]


def test_a_table_that_is_made_anew_has_what_is_there() -> None:
    rows: list[Any] = []

    class Kept:
        def get(self, keys: dict[str, Any]) -> Any:
            rows.append(self.find(keys) or Trends.Row(**keys))
            return rows[-1]

        def find(self, keys: dict[str, Any]) -> Any:
            return next((row for row in rows if all(getattr(row, name) == it for name, it in keys.items())), None)

        def remove(self, row: Any) -> None: ...

    view = Trends(Kept())
    of = Origin(entity=post(1), offset=3, at_ms=1)
    content = published("ann", "tea").content
    view.seed(PostState(content=content, is_pending=True), of)
    assert rows == []
    view.seed(PostState(content=content), of)
    assert [(row.author, row.authors) for row in rows] == [("ann", 0), ("", 1)]
