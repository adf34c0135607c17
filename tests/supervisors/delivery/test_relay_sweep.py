"""The relay's sweep: what a crash left behind, and what did not fit into memory."""

import weakref
from collections import deque

import pytest
import trio
from trio.testing import MockClock

from greenroom.actors.model.errors import Overloaded
from greenroom.store.journal.consequences.outbox import CLAIMED_BYTES_MAX, CLAIMED_MAX, brought_along
from greenroom.supervisors.delivery import relay as relay_module
from greenroom.supervisors.delivery.relay import LEFT_OUT_MAX, OWNED_S
from tests.supervisors.delivery.relay_world import IDS, SWEEP_S, A, B, C, World, settled, world


async def test_what_lies_in_the_outbox_at_the_start_is_delivered(autojump_clock: MockClock) -> None:
    made = World()
    for text in "12":
        made.commit(A, (B, text))
    async with trio.open_nursery() as nursery:
        await nursery.start(made.relay.run)
        await made.decide_all(1)
        assert made.texts() == ["1", "2"] and not made.journal.rows
        nursery.cancel_scope.cancel()


async def test_what_a_claim_brings_is_delivered_before_anything_newer_and_once(autojump_clock: MockClock) -> None:
    async with world() as run:
        rows = [run.commit(A, (B, text))[0] for text in "12"]
        run.relay.adopt(rows)
        run.post(A, (B, "3"))
        run.relay.adopt(rows)  # claimed again
        await trio.sleep(3 * SWEEP_S)  # and swept
        assert run.texts() == ["1", "2", "3"]


async def test_a_message_of_long_ago_that_a_claim_brings_back_lets_nothing_overtake(autojump_clock: MockClock) -> None:
    """What is posted then is sent behind all that is under way, or its receiver would drop what comes again later."""
    async with world() as run:
        (old, _), (_, four) = run.commit(A, (B, "1")), run.commit(A, (B, "4"))
        run.relay.post(run.journal.rows[IDS[A], 2], four, run.lineage)
        run.relay.adopt([old])
        run.post(A, (B, "5"))
        behind = {envelope.message.text: envelope.source.after for envelope in run.inbox}  # type: ignore
        assert behind["5"] == four[0].seq


@pytest.mark.parametrize(("rows", "size"), [(3 * CLAIMED_MAX, 0), (3, CLAIMED_BYTES_MAX // 2)])
async def test_a_claim_that_brings_a_part_of_the_outbox_leaves_the_rest_to_the_sweep(
    rows: int, size: int, autojump_clock: MockClock
) -> None:
    async with world() as run:
        texts = [f"{number:03}".ljust(size, ".") for number in range(rows)]
        brought = brought_along([run.commit(A, (B, text))[0] for text in texts])
        assert len(brought) < rows
        run.relay.adopt(brought)
        run.post(A, (B, "posted after that"))
        await run.decide_all(60)
        assert run.texts() == [*texts, "posted after that"]
        assert not run.journal.rows and not run.relay._left_out


async def test_what_nobody_posted_is_found_by_the_sweep(autojump_clock: MockClock) -> None:
    async with world() as run:
        run.commit(A, (B, "1"))
        await trio.sleep(SWEEP_S)
        await settled()
        assert run.texts() == ["1"]


async def test_a_row_read_just_before_it_was_deleted_is_not_taken_for_a_new_one(autojump_clock: MockClock) -> None:
    async with world() as run:
        row, messages = run.commit(A, (B, "1"))
        run.relay.post(row, messages, run.lineage)
        run.decide()
        await settled()
        assert not run.journal.rows
        run.relay.adopt([row])
        await trio.sleep(SWEEP_S + 1)
        run.relay.adopt([row])
        assert run.texts() == ["1"]
        await trio.sleep(3 * SWEEP_S)
        assert not run.relay._rows, "it is not known for ever"


@pytest.mark.bound("messages between entities, in memory")
async def test_what_does_not_fit_waits_in_the_outbox_in_order(autojump_clock: MockClock) -> None:
    async with world(kept_max=10) as run:
        texts = [f"{number:03}" for number in range(50)]
        for text in texts:
            run.post(A, (B, text))
        run.post(C, (B, "other"))
        assert run.relay.waiting == 10
        await run.decide_all(120)
        assert [text for text in run.texts() if text != "other"] == texts
        assert run.texts().count("other") == 1
        assert not run.journal.rows and not run.relay._left_out


@pytest.mark.bound("bytes of those messages")
async def test_what_would_weigh_too_much_waits_in_the_outbox_in_order(autojump_clock: MockClock) -> None:
    async with world(kept_bytes_max=10_000) as run:
        texts = [f"{number:03}" + "x" * 1_000 for number in range(50)]
        for text in texts:
            run.post(A, (B, text))
        assert run.relay.waiting == 10
        assert 10_000 <= run.relay.waiting_bytes < 12_000
        await run.decide_all(120)
        assert run.texts() == texts
        assert not run.journal.rows and not run.relay._left_out
        assert run.relay.waiting_bytes == 0


@pytest.mark.parametrize("left_out_max", [LEFT_OUT_MAX, 0])
async def test_a_row_posted_while_a_sweep_reads_does_not_overtake_those_left_out(
    left_out_max: int, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """The sweep has read all there was when one more is left out: the sender stays left out, or 4 came before 3."""
    monkeypatch.setattr(relay_module, "LEFT_OUT_MAX", left_out_max)
    async with world(kept_max=2) as run:
        for text in "123":
            run.post(A, (B, text))
        more = iter(["4"])

        def reading() -> None:
            for text in more:
                run.post(A, (B, text))
                break

        run.decide(2)
        run.journal.reading = reading
        await run.decide_all(30)
        run.post(A, (B, "5"))
        await run.decide_all(30)
        assert run.texts() == ["1", "2", "3", "4", "5"]


@pytest.mark.bound("senders of whom the relay left something in the outbox")
@pytest.mark.parametrize(("senders", "left_out_max"), [(1, LEFT_OUT_MAX), (30, LEFT_OUT_MAX), (30, 5), (30, 0)])
async def test_what_can_not_be_delivered_leaves_room_for_all_else(
    senders: int, left_out_max: int, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """A receiver that refuses everything for long, told more than fits into memory; and then it comes back."""
    monkeypatch.setattr(relay_module, "LEFT_OUT_MAX", left_out_max)
    async with world(kept_max=20) as run:
        run.refusals[C] = deque(Overloaded("full") for _ in range(10_000))
        sent: dict[str, list[str]] = {}
        for number in range(90):
            sender = f"log:sender-{number % senders}"
            IDS.setdefault(sender, 100 + number)
            run.post(sender, (C, f"{sender} {number:03}"))
            sent.setdefault(sender, []).append(f"{sender} {number:03}")
            assert len(run.relay._left_out) <= left_out_max + 1, "everybody is one more"
        await run.decide_all(60)
        for number in range(50):
            run.post(A, (B, f"{number:03}"))
            await run.decide_all(4)
        await run.decide_all(20)
        assert run.texts(B) == [f"{number:03}" for number in range(50)]
        assert run.refusals[C], "it has refused all along"
        run.refusals[C].clear()
        await run.decide_all(300)
        assert not run.journal.rows and run.relay.waiting == 0
        for sender, texts in sent.items():
            assert list(dict.fromkeys(text for text in run.texts(C) if text.startswith(f"{sender} "))) == texts


async def test_after_a_failover_nothing_posted_overtakes_what_was_forgotten(autojump_clock: MockClock) -> None:
    """An append's answer may come after the news that the database has another history."""
    async with world() as run:
        run.post(A, (B, "1"))
        run.begin_lineage()
        run.post(A, (B, "2"))
        await run.decide_all(20)
        assert run.texts() == ["1", "1", "2"] and not run.journal.rows
        run.post(A, (B, "3"))
        assert run.texts()[-1] == "3", "and then as always"


async def test_what_is_given_up_is_freed_though_no_collector_sees_it(autojump_clock: MockClock) -> None:
    """Deliveries lead back to their pair, and are not tracked."""
    async with world() as run:
        run.refusals[C] = deque(Overloaded("full") for _ in range(10))
        run.post(A, (B, "1"), (C, "2"))
        pairs = list(run.relay._pairs.values())
        assert any(pair.waiting or pair.returned for pair in pairs), "or nothing leads back"
        freed = [weakref.ref(pair) for pair in pairs]
        del pairs
        run.begin_lineage()
        run.inbox.clear()
        await trio.testing.wait_all_tasks_blocked()
        assert [pair() for pair in freed] == [None, None]


# Shards.


async def test_only_the_outbox_of_shards_that_are_ours_is_swept(autojump_clock: MockClock) -> None:
    async with world() as run:
        run.shards = frozenset({IDS[A]})
        run.commit(A, (B, "ours"))
        run.commit(C, (B, "another's"))
        await run.decide_all(30)
        assert run.texts() == ["ours"]
        assert list(run.journal.rows) == [(IDS[C], 1)]


async def test_the_outbox_of_a_shard_that_is_new_is_swept_within_a_second(autojump_clock: MockClock) -> None:
    async with world() as run:
        run.shards = frozenset({IDS[B]})
        await trio.sleep(SWEEP_S + 1)
        run.commit(A, (B, "left behind by another node"))
        await trio.sleep(SWEEP_S + 1)
        assert run.texts() == []
        began = trio.current_time()
        run.shards = frozenset({IDS[A], IDS[B]})
        await run.decide_all(10)
        [(_, text, at)] = run.arrived
        assert text == "left behind by another node" and at - began <= OWNED_S


async def test_what_is_posted_of_a_shard_that_is_not_swept_here_does_not_overtake_what_lies_in_its_outbox(
    autojump_clock: MockClock,
) -> None:
    """By an entity that has lost its shard and does not know it yet: of its older rows some were never in memory."""
    async with world(kept_max=2) as run:
        for text in "123456":
            run.post(A, (B, text))  # only some of them fit
        run.shards = frozenset({IDS[C]})
        run.decide(len(run.inbox))
        await trio.sleep(2 * SWEEP_S)
        run.post(A, (B, "7"))
        await run.decide_all(3 * SWEEP_S)
        assert run.texts() == ["1", "2"]
        run.shards = frozenset({IDS[A], IDS[C]})
        await run.decide_all(60)
        assert run.texts() == list("1234567")


async def test_what_is_posted_of_a_history_that_has_ended_is_left_to_the_outbox(autojump_clock: MockClock) -> None:
    """An append's answer may come after the news that the database has another history, which has lost it."""
    async with world() as run:
        before = run.lineage
        lost, messages = run.commit(A, (B, "lost"))
        del run.journal.rows[lost.head_id, lost.offset]
        run.begin_lineage()
        run.relay.post(lost, messages, before)
        kept = run.commit(C, (B, "kept"))
        run.relay.post(*kept, before)
        await run.decide_all(30)
        assert run.texts() == ["kept"] and not run.journal.rows


async def test_a_sweep_that_takes_long_is_followed_by_a_long_rest(autojump_clock: MockClock) -> None:
    """Of rows that were delivered the database may have to keep millions."""
    async with world() as run:
        run.journal.sweep_s = 1.0
        await trio.sleep(SWEEP_S + 1.0)
        run.journal.sweeps = 0
        await trio.sleep(5 * relay_module.REST)
        assert run.journal.sweeps in range(3, 7)
        run.journal.sweep_s = 0.0
        await trio.sleep(relay_module.REST + 1.0)
        run.journal.sweeps = 0
        await trio.sleep(10 * SWEEP_S)
        assert run.journal.sweeps >= 9


async def test_the_rest_after_a_sweep_is_ended_by_a_new_shard_and_by_nothing_else(autojump_clock: MockClock) -> None:
    async with world() as run:
        await settled()
        run.journal.sweep_s = 1.0
        await trio.sleep(SWEEP_S + 1.5)
        run.journal.sweeps = 0
        run.relay._wake_sweep.set()
        await trio.sleep(SWEEP_S - 1.0)
        assert run.journal.sweeps == 0
        await trio.sleep(1.0)
        assert run.journal.sweeps == 1, "what has woken it was not forgotten"
        await trio.sleep(1.0)
        run.shards = frozenset({IDS[A], IDS[B]})
        await trio.sleep(OWNED_S)
        assert run.journal.sweeps == 2
