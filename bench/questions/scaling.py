"""What do a hundred nodes with a million entities ask of Postgres and Redis, and say to each other, only to know who
owns what: at rest, and when one comes, dies or leaves? Counted, in virtual time; then with a tenth of the nodes.
"""

from dataclasses import dataclass
from math import log10

import trio
from trio.testing import MockClock

from bench.many_nodes import Counts, Settled, SimulatedCluster, drawing_once
from bench.question import Answer, Figure, Question, Results, Say, param
from greenroom.store.ownership.sharding import SHARDS
from greenroom.supervisors.cluster.looking import OVERLAP_S
from greenroom.transports.bus.beat import BEAT_S

FEWER = 10  # times fewer nodes, for how the figures grow
CALM_S = OVERLAP_S + 5.0  # after all has changed hands, until nobody reads of that any more


@dataclass(frozen=True, kw_only=True)
class Scaling:
    nodes: int = param(100, "nodes on one Postgres and one Redis")
    entities: int = param(1_000_000, "entities, all asleep")
    shards: int = param(SHARDS, "shards that entities are spread over")
    seconds: float = param(60.0, "virtual seconds at rest that are counted")


@dataclass(frozen=True, slots=True)
class _Found:
    rest: Counts
    came: Settled
    died: Settled
    left: Settled


async def _measure(params: Scaling, nodes: int) -> _Found:
    async with trio.open_nursery() as nursery:  # owner: this call
        cluster = SimulatedCluster(params.shards, params.entities, nursery)
        async with trio.open_nursery() as starting:
            for _ in range(nodes):
                starting.start_soon(cluster.start)
        await cluster.settle(trio.current_time(), cluster.so_far(), [None] * params.shards)
        await trio.sleep(CALM_S)
        before = cluster.so_far()
        await trio.sleep(params.seconds)
        rest = cluster.counts - before

        mark = _mark(cluster)
        await cluster.start()
        came = await cluster.settle(*mark)
        await trio.sleep(CALM_S)
        mark = _mark(cluster)
        cluster.kill(next(iter(cluster.nodes.values())))
        died = await cluster.settle(*mark)
        await trio.sleep(CALM_S)
        mark = _mark(cluster)
        await cluster.drain(next(iter(cluster.nodes.values())))
        left = await cluster.settle(*mark)
        nursery.cancel_scope.cancel()
    return _Found(rest, came, died, left)


def _mark(cluster: SimulatedCluster) -> tuple[float, Counts, list[int | None]]:
    return trio.current_time(), cluster.so_far(), [shard.owner for shard in cluster.rows.shards]


def answer(params: Scaling, say: Say) -> Answer:
    with drawing_once():
        say(f"{max(params.nodes // FEWER, 2)} nodes", 0.0)
        few = max(params.nodes // FEWER, 2)
        fewer = trio.run(_measure, params, few, clock=MockClock(autojump_threshold=0))
        say(f"{params.nodes} nodes", 0.1)
        found = trio.run(_measure, params, params.nodes, clock=MockClock(autojump_threshold=0))
    results: Results = {"nodes": params.nodes, "entities": params.entities, "shards": params.shards}
    results |= _at_rest(found.rest, params.seconds)
    results |= {"beats_per_s": params.nodes / BEAT_S, "redis_keys": 2 * params.nodes}
    for name, each, smaller in (
        ("came", found.came, fewer.came),
        ("died", found.died, fewer.died),
        ("left", found.left, fewer.left),
    ):
        results |= _moved(name, each, params)
        results[f"{name}_statements_power"] = _power(each.counts.statements, smaller.counts.statements, params, few)
    for name, rest in _at_rest(fewer.rest, params.seconds).items():
        results[name.replace("_per_s", "_power")] = _power(results[name], rest, params, few)
    return Answer(results)


def _at_rest(counts: Counts, seconds: float) -> Results:
    return {
        "statements_per_s": round(counts.statements / seconds, 1),
        "rows_written_per_s": round(counts.rows_written / seconds, 1),
        "rows_read_per_s": round(counts.rows_read / seconds, 1),
        "rows_passed_per_s": round(counts.rows_passed / seconds),
        "messages_per_s": round(counts.messages / seconds, 2),
    }


def _moved(name: str, settled: Settled, params: Scaling) -> Results:
    return {
        f"{name}_s": round(settled.seconds, 2),
        f"{name}_shards": settled.shards,
        f"{name}_entities": round(settled.shards * params.entities / params.shards),
        f"{name}_statements": settled.counts.statements,
        f"{name}_rows_written": settled.counts.rows_written,
        f"{name}_rows_read": settled.counts.rows_read,
        f"{name}_messages": settled.counts.messages,
        f"{name}_wrong_share": round(settled.wrong_share, 5),
    }


def _power(many: float, few: float, params: Scaling, nodes: int) -> float:
    """The figure grows as the number of nodes to this power."""
    if not many or not few or params.nodes == nodes:
        return 0.0
    return round(log10(many / few) / log10(params.nodes / nodes), 2)


def _about(name: str, what: str) -> dict[str, Figure]:
    return {
        f"{name}_s": Figure(f"{what}: virtual seconds until everything is where it is to be and every node knows it"),
        f"{name}_shards": Figure("shards that changed hands for it"),
        f"{name}_entities": Figure("entities in them"),
        f"{name}_statements": Figure("statements of all nodes meanwhile"),
        f"{name}_rows_written": Figure("rows written meanwhile"),
        f"{name}_rows_read": Figure("rows given meanwhile"),
        f"{name}_messages": Figure("messages between nodes for it"),
        f"{name}_wrong_share": Figure("of asks meanwhile: sent to a node that had to pass them on, or held"),
        f"{name}_statements_power": Figure("its statements grow as the number of nodes to this power"),
    }


_GROWS = "the same grows as the number of nodes to this power"
QUESTION = Question(
    name="scaling",
    asks="What do a hundred nodes with a million entities ask and say, only to know who owns what? Simulated.",
    params=Scaling,
    figures={
        "nodes": Figure("nodes"),
        "entities": Figure("entities, asleep"),
        "shards": Figure("shards that they are spread over"),
        "statements_per_s": Figure("statements of all nodes each second at rest: renewals of leases, and looks"),
        "statements_power": Figure(_GROWS),
        "rows_written_per_s": Figure("rows written each second at rest"),
        "rows_written_power": Figure(_GROWS),
        "rows_read_per_s": Figure("rows given to nodes each second at rest"),
        "rows_read_power": Figure(_GROWS),
        "rows_passed_per_s": Figure("rows that Postgres goes through for them"),
        "rows_passed_power": Figure(_GROWS),
        "messages_per_s": Figure("messages between nodes each second at rest"),
        "messages_power": Figure(_GROWS),
        "beats_per_s": Figure("keys written in Redis each second, one a node: not simulated"),
        "redis_keys": Figure("keys in Redis, for each node its beat and its inbox: likewise"),
        **_about("came", "a node comes"),
        **_about("died", "one dies with its host, which only its lease tells"),
        **_about("left", "one leaves"),
    },
    answer=answer,
)
