"""Handlers that wait for one another over several nodes, none of whose asks came of another."""

import random
from itertools import permutations

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.errors import CallCycle
from greenroom.supervisors.correspondence.wire import Chased, Circular
from tests.supervisors.correspondence.seeing import by_type, counting
from tests.supervisors.correspondence.small_cluster import A, Answer, B, C, Cluster, cluster
from tests.supervisors.correspondence.small_entities import Meet, Slow

D = 44
WHERE = {"slow:a": A, "slow:b": B, "slow:c": C, "slow:d": D}


def given_out(run: Cluster, where: dict[str, int]) -> None:
    for entity, node in where.items():
        if node != A:
            run.owners.move(entity, node)


def meet(run: Cluster, where: dict[str, int], asker: str, entity: str) -> Answer:
    return run.nodes[where[asker]].send(asker, Meet(entity=entity))


def round_of(where: dict[str, int]) -> list[tuple[str, str]]:
    entities = list(where)
    return list(zip(entities, entities[1:] + entities[:1], strict=True))


def one_was_refused(answers: list[Answer]) -> None:
    given = [one.only for one in answers]
    assert [type(one) for one in given].count(CallCycle) == 1, given
    assert given.count("0.0") == len(given) - 1


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("apart_s", [0.0, 0.0003, 0.02])
async def test_of_three_on_three_nodes_one_is_refused_at_once(
    apart_s: float, order: tuple[int, ...], autojump_clock: MockClock
) -> None:
    where = {entity: node for entity, node in WHERE.items() if node != D}
    async with cluster(A, B, C) as run:
        given_out(run, where)
        answers = []
        for number in order:
            answers.append(meet(run, where, *round_of(where)[number]))
            await trio.sleep(apart_s)
        await trio.sleep(1.0)
        one_was_refused(answers)
        assert not any(node.kernel.router.waits for node in run.nodes.values())


@pytest.mark.parametrize(
    "where",
    [
        WHERE,
        WHERE | {"slow:b": A},  # whose ask is from one entity of a node to another
        WHERE | {"slow:d": A},
        {"slow:a": A, "slow:b": A, "slow:c": B, "slow:d": B, "slow:e": C, "slow:f": C},
    ],
)
@pytest.mark.parametrize("seed", range(5))
async def test_of_more_with_some_on_the_same_node_too(
    seed: int, where: dict[str, int], autojump_clock: MockClock
) -> None:
    rng = random.Random(seed)
    async with cluster(A, B, C, D, rng=rng) as run:
        given_out(run, where)
        asks = round_of(where)
        rng.shuffle(asks)
        answers = []
        for ask in asks:
            answers.append(meet(run, where, *ask))
            await trio.sleep(rng.choice([0.0, 0.0005, 0.01]))  # none has an answer before the last one asks
        await trio.sleep(2.0)
        one_was_refused(answers)


async def test_those_in_a_row_wait_and_are_answered(autojump_clock: MockClock) -> None:
    async with cluster(A, B, C, D) as run:
        given_out(run, WHERE)
        run.nodes[D].send("slow:d", Slow(seconds=1.0))
        answers = [meet(run, WHERE, *ask) for ask in round_of(WHERE)[:3]]
        await trio.sleep(3.0)
        assert [one.only for one in answers] == ["0.0"] * 3


async def test_nothing_is_sent_where_nobody_who_is_asked_waits(autojump_clock: MockClock) -> None:
    async with cluster(A, B, C) as run:
        given_out(run, WHERE)
        frames = counting(run)
        answers = [meet(run, WHERE, "slow:a", "slow:b"), meet(run, WHERE, "slow:c", "slow:b")]
        await trio.sleep(1.0)
        assert [one.only for one in answers] == ["0.0"] * 2
        assert by_type(frames, Chased) == by_type(frames, Circular) == []


async def test_what_was_given_up_meanwhile_is_no_part_of_a_circle(autojump_clock: MockClock) -> None:
    async with cluster(A, B, C) as run:
        given_out(run, WHERE)
        brief = run.nodes[A].send("slow:a", Meet(entity="slow:b"), deadline=trio.current_time() + 1.0)
        others = [meet(run, WHERE, "slow:b", "slow:c")]
        run.nodes[C].send("slow:c", Slow(seconds=2.0))
        await trio.sleep(1.5)
        others.append(meet(run, WHERE, "slow:c", "slow:a"))
        await trio.sleep(5.0)
        assert brief.only.temporary
        assert [one.only for one in others] == ["0.0"] * 2
