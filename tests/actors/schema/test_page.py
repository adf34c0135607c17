"""The page of the entities is read off their code."""

from greenroom.actors.model.kinds import Kinds
from greenroom.actors.schema.page import entities_page
from tests.actors.schema.film import Film
from tests.transports.hub.auction import Auction


def test_the_page_shows_the_fields_of_what_is_published() -> None:
    page = entities_page(Kinds([Auction, Film]))
    assert "| `auction.was_bid` | `amount` integer | What is shown of `Was`. |" in page
    assert "| `auction.reserved` |  | Hidden: nothing is shown of it. |" in page
    assert "bidder" not in page
    assert "| `Untagged` | `what` text | Shown of `film.seen`. |" in page
    (row,) = [line for line in page.splitlines() if line.startswith("| `film.rated`")]
    assert row.endswith("| Not every one is shown. |")
