"""The cluster as it is shown: sums over those that answer, and what is wrong with those that do not."""

from msgspec.json import encode
from msgspec.structs import replace

from greenroom.store.overview.cluster import Change
from greenroom.supervisors.admin.cluster import ClusterShown, cluster_shown, for_viewers
from greenroom.supervisors.admin.told import DeepMailbox, Failed, Moved, NodeTold, SlowConsumer
from tests.supervisors.admin.telling import row, told


def shown(*nodes: NodeTold, before: dict[int, NodeTold] | None = None) -> ClusterShown:
    return cluster_shown(
        at_ms=5,
        asked=1,
        trouble="",
        rows=[row(1), row(2), row(3), row(9, state="dead", ended_at_ms=4, why="stopped")],
        changes=[Change(3, None, "stopped", 2)],
        told={int(one.node, 16): one for one in nodes},
        before=before or {},
    )


def test_sums_are_of_those_that_answer() -> None:
    found = shown(
        told(1, awake=3, kinds={"room": 2, "session": 1}, connections=5, mailbox_depth=2, letters_stored=7),
        told(2, awake=1, kinds={"room": 1}, connections=1, slow_count=1, letters_stored=6),
    )
    assert (found.answered, found.awake, found.connections, found.mailbox_depth, found.slow_count) == (2, 4, 6, 2, 1)
    assert found.kinds == {"room": 3, "session": 1}
    assert found.letters_stored == 7, "each node counts all of them, now and then"
    assert [(one.node, one.answered) for one in found.nodes] == [(f"{n:016x}", n != 3) for n in (1, 2, 3)]
    assert [(one.node, one.why) for one in found.ended] == [(f"{9:016x}", "stopped")]
    assert [(one.owner, one.cause, one.shards) for one in found.changes] == [(None, "stopped", 2)]


def test_rates_come_with_the_second_answer() -> None:
    first = told(1, counters={"commands": 10})
    assert shown(first).rates == {} and shown(first).nodes[0].figures is None
    found = shown(told(1, at_s=2.0, counters={"commands": 30}), before={1: first})
    assert found.rates == {"commands": 10.0}


def test_what_is_worst_and_what_is_newest_of_all_comes_first() -> None:
    one, two = (
        told(
            node,
            deepest=[DeepMailbox(f"room:{node}", 10 * node, 1, None)],
            slow=[SlowConsumer(f"10.0.0.{node}", 1, 5.0 * node)],
            moves=[Moved(node, "moved", 1, None, None, 0.1)],
            failures=[Failed(node, "room:a", "failed", "a secret")],
        )
        for node in (1, 2)
    )
    found = shown(one, two)
    assert [deep.mailbox.entity for deep in found.deepest] == ["room:2", "room:1"]
    assert [slow.consumer.peer for slow in found.slow] == ["10.0.0.2", "10.0.0.1"]
    assert [move.at_ms for move in found.moves] == [2, 1]
    assert [failure.at_ms for failure in found.failures] == [2, 1]
    of_node = found.nodes[0].told
    assert of_node is not None and not (of_node.deepest or of_node.slow or of_node.moves or of_node.failures)


def test_a_viewer_is_shown_neither_addresses_nor_texts_of_errors() -> None:
    found = shown(
        told(1, slow=[SlowConsumer("10.1.2.3", 9, 1.0)], failures=[Failed(1, "room:a", "failed", "a secret")])
    )
    for secret in (b"10.1.2.3", b"a secret"):
        assert secret in encode(found)
        assert secret not in encode(for_viewers(found))
    assert for_viewers(found).slow[0].consumer.bytes == 9
    away = for_viewers(replace(found, trouble="db.inside:5432 does not answer"))
    assert away.trouble == "the database does not answer" and not for_viewers(found).trouble
