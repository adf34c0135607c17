"""Jobs that are worked on in a process of their own, or in no process of a node's, and whom they can speak to."""

from typing import Any

import pytest

from greenroom import Ask, Done, Message
from greenroom.actors.jobs.work import NoEntities
from greenroom.actors.model.entity import BadEntity
from greenroom.actors.model.errors import UnknownKind
from greenroom.actors.model.kinds import Kinds
from greenroom.store.views.asked import Asked
from greenroom.supervisors.jobs.reach.outside import Nowhere, Outside
from greenroom.supervisors.jobs.reach.reach import Reach
from tests.actors.views.boards import Board
from tests.supervisors.jobs.attempt.stage import outcome
from tests.supervisors.kernel.small_kernel import Note, Read
from tests.supervisors.kernel.whole.test_nudges import Poke, Poked


class Inner(Ask[Done], tag="poked.inner"):
    pass


class Server:
    """Answers all alike."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Message]] = []

    async def __call__(self, entity: str, message: Ask[Any], /) -> Any:
        self.asked.append((entity, message))
        return 7


async def test_what_clients_may_send_goes_to_the_server() -> None:
    server = Server()
    outside = Outside(Kinds((Poked,)), server)
    assert await outside.ask("poked:a", Note(text="one")) == 7
    assert server.asked == [("poked:a", Note(text="one"))]
    with pytest.raises(NoEntities, match=r"takes poked\.inner from no client"):
        await outside.ask("poked:a", Inner())
    with pytest.raises(BadEntity):
        await outside.ask("poked", Note(text="one"))
    with pytest.raises(UnknownKind):
        await outside.ask("other:a", Note(text="one"))
    assert len(server.asked) == 1


@pytest.mark.parametrize("reach", [Outside(Kinds((Poked,)), Server()), Nowhere()], ids=["outside", "nowhere"])
async def test_views_and_nudges_are_out_of_reach(reach: Reach) -> None:
    with pytest.raises(NoEntities, match="reads no views"):
        await reach.query(Board.Row, "a", Asked())
    with pytest.raises(NoEntities, match="reads no views"):
        await reach.query_pages(Board.Row, ["a"], limit=1, where={})
    with pytest.raises(NoEntities, match="nudges nobody"):
        reach.nudge(["poked:a"], Poke())


async def test_where_nothing_was_said_of_entities_an_attempt_fails_and_says_why() -> None:
    found = await outcome(lambda work: work.ask("poked:a", Read()))
    assert found.error is not None and "work.no_entities" in found.error and "GREENROOM_WORK" in found.error
    assert not found.final, "another worker may have them"
