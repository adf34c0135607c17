"""The relay on a journal that a test can stop, and receivers that do as they are told."""

import random
from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw
from structlog.testing import capture_logs
from trio.testing import MockClock

from greenroom.actors.life.outgoing import Outgoing, encode_body, sequence
from greenroom.actors.model.envelope import Origin
from greenroom.actors.model.errors import Forgotten, Overloaded, Unavailable
from greenroom.actors.model.lifecycle import Undelivered
from greenroom.actors.model.message import Done
from greenroom.store.errors import StoreUnavailable
from greenroom.store.journal.consequences.outbox import OutboxRow
from greenroom.supervisors.delivery import relay as relay_module
from greenroom.supervisors.delivery.relay import DELETE_S, LEFT_OUT_MAX, STEP, UNDER_WAY_MAX
from tests.supervisors.delivery.relay_world import IDS, SWEEP_S, A, B, C, World, settled, world
from tests.supervisors.kernel.small_kernel import Heard


async def test_what_is_posted_goes_to_its_receivers_in_order_with_its_origin(autojump_clock: MockClock) -> None:
    async with world() as run:
        run.post(A, (B, "1"), (C, "2"), (B, "3"))
        run.post(A, (B, "4"))
        assert (run.texts(B), run.texts(C)) == (["1", "3", "4"], ["2"])
        sources = [one.source for one in run.inbox]
        assert sources[0] == Origin(IDS[A], sequence(1, 0), A, lineage=run.lineage)
        seqs = [sequence(1, 0), sequence(1, 2), sequence(1, 1), sequence(2, 0)]
        assert [one.seq for one in sources if isinstance(one, Origin)] == seqs


async def test_each_message_says_behind_which_one_it_was_sent(autojump_clock: MockClock) -> None:
    """So that a receiver which puts one off, or which is another one by then, lets none of those behind it pass."""

    def sources() -> list[tuple[int, int]]:
        return [(one.source.seq, one.source.after) for one in run.inbox if isinstance(one.source, Origin)]

    async with world() as run:
        run.post(A, (B, "1"), (B, "2"))
        run.post(A, (C, "other"), (B, "3"))
        first, second, third = sequence(1, 0), sequence(1, 1), sequence(2, 1)
        assert sources() == [(first, 0), (second, first), (sequence(2, 0), 0), (third, second)]
        run.decide()
        run.reject()
        run.decide()
        run.reject()
        await trio.sleep(10)
        assert sources() == [(second, 0), (third, second)], "the first is decided, so nothing goes before the second"


async def test_a_row_is_deleted_once_every_message_of_it_is_decided(autojump_clock: MockClock) -> None:
    async with world() as run:
        run.post(A, (B, "1"), (C, "2"))
        run.decide()
        await trio.sleep(60)
        assert run.journal.deleted == []
        run.decide()
        await settled()
        assert (run.journal.deleted, run.relay.waiting) == ([(1, 1)], 0)


async def test_rows_are_deleted_in_few_statements(autojump_clock: MockClock) -> None:
    async with world() as made:
        statements: list[int] = []
        delete = made.journal.delivered

        async def delivered(rows: Sequence[tuple[int, int]], *, lineage: str) -> None:
            statements.append(len(rows))
            await delete(rows, lineage=lineage)

        made.journal.delivered = delivered  # type: ignore[method-assign]
        for number in range(10):
            made.post(A, (B, str(number)))
            await settled()
            made.decide()
            await trio.sleep(DELETE_S / 10)
        await trio.sleep(DELETE_S)
        assert statements == [1, 9], "the first at once, and the others together"


async def test_a_rejected_message_comes_again_before_all_that_was_behind_it(autojump_clock: MockClock) -> None:
    async with world() as run:
        for text in "123":
            run.post(A, (B, text))
        run.decide()
        run.reject(2)  # 2, and 3 which must not overtake it
        run.post(A, (B, "4"))
        assert run.texts() == ["1", "2", "3"]
        await trio.sleep(2)
        assert run.texts() == ["1", "2", "3", "2", "3", "4"]
        run.decide(3)
        await settled()
        assert run.relay.waiting == 0 and not run.journal.rows


async def test_what_nobody_can_take_any_more_is_given_up_and_those_behind_it_too(autojump_clock: MockClock) -> None:
    async with world() as run:
        run.post(A, (B, "1"), (C, "2"))
        run.inbox.pop(0).slot.reject(Forgotten("erased"))  # type: ignore[union-attr]
        run.decide()
        await settled()
        assert run.relay.waiting == 0 and not run.journal.rows


async def test_who_asked_to_be_told_hears_that_nobody_can_take_it(autojump_clock: MockClock) -> None:
    """The row stays until the sender has heard it: else a crash would leave it waiting for ever."""
    async with world() as run:
        message = Outgoing(sequence(1, 0), B, Raw(b'{"type":"log.heard","text":"1"}'), "step")
        row = run.journal.rows[IDS[A], 1] = OutboxRow(1, encode_body([message]), IDS[A], A)
        run.offsets[A] = 1
        run.relay.post(row, [message], run.lineage)
        told: list[Any] = []
        run.relay._submit = lambda entity, envelope: told.append((entity, envelope))
        run.inbox.pop(0).slot.reject(Forgotten("erased"))  # type: ignore[union-attr]
        ((to, envelope),) = told
        assert (to, envelope.message.about, envelope.message.name) == (A, "step", "forgotten")
        assert isinstance(envelope.message, Undelivered)
        await settled()
        assert run.journal.rows
        envelope.slot.resolve(None, None)
        await settled()
        assert not run.journal.rows


async def test_nothing_more_is_sent_of_who_is_erased(autojump_clock: MockClock) -> None:
    async with world() as run:
        run.post(A, *((B, str(number)) for number in range(UNDER_WAY_MAX + 5)))
        run.post(C, (B, "of another"))
        run.relay.forget(IDS[A])
        run.journal.rows.pop((IDS[A], 1))
        run.decide(UNDER_WAY_MAX)
        await trio.sleep(60)
        assert run.texts(B)[UNDER_WAY_MAX:] == ["of another"]
        assert run.relay.waiting == 1


async def test_nothing_is_sent_again_while_anything_of_its_lane_is_under_way(autojump_clock: MockClock) -> None:
    """Else the first would come behind the second, which is in the mailbox still."""
    async with world() as run:
        run.post(A, (B, "1"), (B, "2"))
        run.reject()
        await trio.sleep(60)
        assert run.texts() == ["1", "2"]
        run.decide()  # a receiver that restarted in between may well have handled it
        await trio.sleep(2)
        assert run.texts() == ["1", "2", "1"]


async def test_a_full_mailbox_is_tried_again_ever_more_rarely_and_others_go_on(autojump_clock: MockClock) -> None:
    async with world() as run:
        run.refusals[B] = deque(Overloaded("full") for _ in range(6))
        run.post(A, (B, "1"), (C, "2"))
        assert run.texts(C) == ["2"]
        await trio.sleep(120)
        assert run.texts(B) == ["1"]
        assert 3.0 < run.arrived[-1][2] <= 1 + 2 + 4 + 8 + 8 + 8
        assert run.relay.retries == 6


async def test_after_a_success_the_next_wait_is_short_again(autojump_clock: MockClock) -> None:
    async with world() as run:
        run.refusals[B] = deque(Overloaded("full") for _ in range(6))
        run.post(A, (B, "1"))
        await trio.sleep(120)
        run.decide()
        run.refusals[B] = deque([Overloaded("full")])
        before = trio.current_time()
        run.post(A, (B, "2"))
        await trio.sleep(120)
        assert run.arrived[-1][2] - before <= 1.0


async def test_many_that_come_again_at_once_leave_others_their_turn(mock_clock: MockClock) -> None:
    """As when a popular receiver is back, or a store: all have waited for as long."""
    many = 10 * STEP
    async with world() as run:
        run.post(A, *((f"log:{number}", "x") for number in range(many)))
        run.reject(many)
        mock_clock.jump(10.0)
        assert await _at_each_turn(run) <= 2 * STEP
        assert len(run.inbox) == many


async def test_many_that_a_sweep_finds_leave_others_their_turn(mock_clock: MockClock) -> None:
    many = 10 * STEP
    async with world() as run:
        for _ in range(many):
            run.commit(A, (B, "x"))
        mock_clock.jump(SWEEP_S)
        kept = run.relay.waiting
        steps = []
        for _ in range(100):
            await trio.lowlevel.checkpoint()
            steps.append(run.relay.waiting - kept)
            kept = run.relay.waiting
        assert kept == many and max(steps) <= 2 * STEP


async def _at_each_turn(run: World) -> int:
    """How many messages have arrived at most between two turns of somebody else."""
    arrived = len(run.arrived)
    most = 0
    for _ in range(100):
        await trio.lowlevel.checkpoint()
        most = max(most, len(run.arrived) - arrived)
        arrived = len(run.arrived)
    return most


async def test_a_message_that_this_release_does_not_know_waits_for_one_that_does(autojump_clock: MockClock) -> None:
    async with world() as run:
        unknown = [Outgoing(sequence(1, 0), B, Raw(b'{"type":"log.newer"}'))]
        nowhere = [Outgoing(sequence(2, 0), "newer:b", Raw(b'{"type":"newer.x"}'))]
        deep = [Outgoing(sequence(3, 0), C, Raw(b'{"type":"log.heard","text":' + b"[" * 5000 + b"]" * 5000 + b"}"))]
        for offset, messages in enumerate((unknown, nowhere, deep), 1):
            row = run.journal.rows[IDS[A], offset] = OutboxRow(offset, encode_body(messages), IDS[A], A)
            run.relay.post(row, messages, run.lineage)
        run.offsets[A] = 3
        run.post(B, (B, "from another"))
        await trio.sleep(120)
        assert run.arrived[0][:2] == (B, "from another")
        assert (len(run.arrived), len(run.journal.rows)) == (1, 4)


@pytest.mark.bound("of one pair, in the receiver's mailbox")
async def test_a_lane_has_a_window(autojump_clock: MockClock) -> None:
    async with world() as run:
        texts = [f"{number:03}" for number in range(3 * UNDER_WAY_MAX)]
        run.post(A, *((B, text) for text in texts))
        run.post(C, (B, "of another sender"))
        assert len(run.inbox) == UNDER_WAY_MAX + 1
        run.decide(10)
        assert len(run.inbox) == UNDER_WAY_MAX + 1
        await run.decide_all(10)
        assert [text for text in run.texts() if text in texts] == texts


# Failures of the store, and of the relay itself.


async def test_a_store_that_is_away_makes_it_late(autojump_clock: MockClock) -> None:
    async with world() as run:
        run.journal.errors["outbox"] += [StoreUnavailable("away")] * 2
        run.journal.errors["delivered"] += [StoreUnavailable("away"), StoreUnavailable("who knows")]
        run.commit(A, (B, "1"))
        run.post(C, (B, "2"))
        run.decide()
        await run.decide_all(4 * SWEEP_S)
        assert run.texts() == ["2", "1"] and not run.journal.rows


async def test_a_relay_that_is_run_again_begins_with_what_the_outbox_holds(autojump_clock: MockClock) -> None:
    made = World()
    with capture_logs():
        for _ in range(2):
            async with trio.open_nursery() as nursery:
                await nursery.start(made.relay.run)
                await settled()
                if not made.arrived:
                    made.post(A, (B, "1"), (B, "2"), (C, "3"))
                    made.decide()
                    made.reject(2)
                else:
                    assert made.relay.waiting == 3
                    await made.decide_all(10)
                nursery.cancel_scope.cancel()
    assert made.texts(B) == ["1", "2", "1", "2"] and made.texts(C) == ["3", "3"]
    assert not made.journal.rows and made.relay.waiting == 0


async def test_a_row_that_can_not_be_read_holds_up_no_other_sender(autojump_clock: MockClock) -> None:
    async with world() as run:
        for number, body in enumerate([b"{", b'[["\xff"]]', b"[1]"], 1):
            run.journal.rows[IDS[A], number] = OutboxRow(number, body, IDS[A], A)
        run.commit(C, (B, "1"))
        await trio.sleep(SWEEP_S + 1)
        assert run.texts() == ["1"]


ACTIONS = st.one_of(
    st.tuples(st.just("post"), st.sampled_from([A, C]), st.lists(st.sampled_from([B, C]), min_size=1, max_size=4)),
    st.tuples(st.just("commit"), st.sampled_from([A, C]), st.lists(st.sampled_from([B, C]), min_size=1, max_size=2)),
    st.tuples(st.just("handle"), st.integers(1, 5)),
    st.tuples(st.just("refuse"), st.sampled_from([B, C]), st.integers(1, 3)),
    st.tuples(st.just("sleep"), st.sampled_from([0.1, 2.0, 12.0])),
    st.just(("again",)),
    st.just(("failover",)),
)


class Receivers:
    """Each handles its messages as a cell does: drops what it has seen, and lets nothing overtake what it put off."""

    def __init__(self, run: World, rng: random.Random) -> None:
        self.run = run
        self.rng = rng
        self.seen: dict[tuple[str, int], int] = {}
        self.handled: dict[tuple[str, str], list[str]] = {}

    def handle(self, *, willing: bool = False) -> None:
        envelope = self.run.inbox.pop(0)
        source, slot, message = envelope.source, envelope.slot, envelope.message
        assert isinstance(source, Origin) and slot is not None and isinstance(message, Heard)
        if source.lineage != self.run.lineage:
            slot.reject(Unavailable("of another history"))
            return
        pair = (message.text.partition(" ")[0], source.sender)
        if source.seq <= self.seen.get(pair, 0):
            slot.resolve(Done(), None)
            return
        if source.after > self.seen.get(pair, 0) or (not willing and self.rng.random() < 0.3):
            slot.reject(Unavailable("not now"))
            return
        self.seen[pair] = source.seq
        self.handled.setdefault((source.entity, pair[0]), []).append(message.text)
        slot.resolve(Done(), None)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTIONS, max_size=40), st.integers(0, 2**32), st.sampled_from([0, 1, LEFT_OUT_MAX]))
def test_whatever_happens_each_pair_hears_everything_once_in_order(
    actions: list[Any], seed: int, left_out_max: int
) -> None:
    """Random rows, refusals, full mailboxes, a small memory and claims that bring what nobody posted."""

    async def main() -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(relay_module, "LEFT_OUT_MAX", left_out_max)
            await played()

    async def played() -> None:
        async with world(kept_max=6, seed=seed) as run:
            receivers = Receivers(run, random.Random(seed))
            sent: dict[tuple[str, str], list[str]] = {}
            unposted: set[str] = set()

            def tells(sender: str, to: list[str]) -> list[tuple[str, str]]:
                made = []
                for receiver in to:
                    texts = sent.setdefault((sender, receiver), [])
                    texts.append(f"{receiver} {len(texts):03}")
                    made.append((receiver, texts[-1]))
                return made

            def claim(sender: str) -> None:
                """As a cell does before it posts anything, when its former life left rows behind."""
                if sender in unposted:
                    unposted.discard(sender)
                    rows = run.journal.rows
                    run.relay.adopt([rows[key] for key in sorted(rows) if key[0] == IDS[sender]])

            for action in actions:
                match action:
                    case ("post", sender, to):
                        claim(sender)
                        run.post(sender, *tells(sender, to))
                    case ("commit", sender, to):
                        run.commit(sender, *tells(sender, to))
                        unposted.add(sender)
                    case ("handle", count):
                        for _ in range(min(count, len(run.inbox))):
                            receivers.handle()
                    case ("refuse", receiver, count):
                        run.refusals[receiver] = deque(Overloaded("full") for _ in range(count))
                    case ("sleep", seconds):
                        await trio.sleep(seconds)
                    case ("failover",):
                        run.begin_lineage()
                    case ("again",):
                        for sender in IDS:
                            unposted.add(sender)
                            claim(sender)
            for _ in range(200):
                while run.inbox:
                    receivers.handle(willing=True)
                await trio.sleep(1.0)
            assert receivers.handled == {pair: texts for pair, texts in sent.items() if texts}
            assert not run.journal.rows and run.relay.waiting == 0

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def test_a_stuck_lane_is_warned_of(autojump_clock: MockClock) -> None:
    made = World()
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            await nursery.start(made.relay.run)
            made.refusals[B] = deque(Overloaded("full") for _ in range(10))
            made.post(A, (B, "1"))
            await trio.sleep(300)
            nursery.cancel_scope.cancel()
    warnings = [one for one in logs if one["event"] == "outbox_stuck"]
    assert [(one["sender"], one["receiver"], one["attempts"], one["waiting"]) for one in warnings] == [(A, B, 10, 1)]


async def test_what_was_read_before_the_first_claim_is_forgotten_when_that_tells_of_another_history(
    autojump_clock: MockClock,
) -> None:
    """The history that is gone had delivered and deleted the row before it; the outbox that there is now has both."""
    made = World(claimed=False)
    row, _ = made.commit(A, (B, "1"))
    made.commit(A, (B, "2"))
    del made.journal.rows[row.head_id, row.offset]
    with capture_logs():
        async with trio.open_nursery() as nursery:
            await nursery.start(made.relay.run)
            await settled()
            assert made.texts() == ["2"]
            made.journal.rows[row.head_id, row.offset] = row
            made.begin_lineage()
            [stale] = made.inbox
            assert isinstance(stale.source, Origin) and stale.source.lineage != made.lineage
            made.reject()
            await made.decide_all()
            assert made.texts() == ["2", "1", "2"]
            nursery.cancel_scope.cancel()


@pytest.mark.bound("outbox rows that are known though they were deleted")
async def test_rows_that_were_deleted_are_forgotten_early_where_they_are_many(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(relay_module, "FORGOTTEN_MAX", 50)
    async with world() as run:
        for _ in range(30):
            for number in range(10):
                run.post(A, (B, f"{number}"))
            run.decide(len(run.inbox))
            await trio.sleep(0.1)
            assert len(run.relay._rows) <= 50 + 10 * 5, "what comes in two sweeps, beside"
        assert len(run.texts()) == 300


async def test_a_first_message_is_first_once_and_only_where_it_was_just_told(autojump_clock: MockClock) -> None:
    """Sent again, or read from the outbox, nobody knows whether it was handled: then its receiver has to ask."""
    async with world() as run:
        row, messages = run.commit(A, (B, "1"), (B, "2"), (C, "3"))
        run.relay.post(row, messages, run.lineage, frozenset((B,)), 7)
        assert [one.first_at for one in run.inbox] == [7, 0, 0]
        run.reject(3)
        await trio.sleep(10)
        assert [one.first_at for one in run.inbox] == [0] * 3
        run.decide(3)
        run.post(A, (B, "4"))
        assert [one.first_at for one in run.inbox] == [0]
