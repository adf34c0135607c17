"""The order against a model that looks at everything, and what it promises of fairness."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.actors.jobs.limits import OnRetry, QueueLimits, Rate
from greenroom.actors.jobs.queue.order import AGEING_MS, DUE_AT_ONCE, Order
from greenroom.actors.jobs.queue.rates.windows import SLICES
from greenroom.actors.jobs.queue.waiting import Waiting
from tests.actors.jobs.queue.some_jobs import a_job

KEYS = ("", "a", "b", "c")
TAGS = ("job.a", "job.b")


class Bucket:
    """A rate by the book, in fractions."""

    def __init__(self) -> None:
        self.tokens: Fraction | None = None
        self.at_ms = 0
        self.log: list[tuple[int, int]] = []  # of a window: when how many were spent

    def now(self, rate: Rate, now_ms: int) -> Fraction:
        if rate.window is not None:
            return max(
                Fraction(0),
                rate.n - Fraction(sum(weight for at_ms, weight in self.log if self.counts(rate, at_ms, now_ms))),
            )
        drip = Fraction(rate.n, round(rate.per_s * 1000))
        if self.tokens is None:
            self.tokens = Fraction(rate.tokens)
        else:
            self.tokens = min(Fraction(rate.tokens), self.tokens + drip * (now_ms - self.at_ms))
        self.at_ms = now_ms
        return self.tokens

    def counts(self, rate: Rate, at_ms: int, now_ms: int) -> bool:
        """Does what was spent then count yet?"""
        per_ms = round(rate.per_s * 1000)
        if rate.window == "fixed":
            return at_ms // per_ms == now_ms // per_ms
        part_ms = -(-per_ms // SLICES)
        return now_ms < (at_ms // part_ms + 1) * part_ms + -(-per_ms // part_ms) * part_ms

    def spend(self, rate: Rate, now_ms: int, weight: int) -> None:
        self.log.append((now_ms, weight))
        if rate.window is not None:
            return
        self.tokens = self.now(rate, now_ms) - weight


class Model:
    """All that waits and runs, looked at anew each time."""

    def __init__(self, limits: QueueLimits) -> None:
        self.limits = limits
        self.waiting: dict[str, Waiting] = {}
        self.running: dict[str, Waiting] = {}
        self.bucket = Bucket()
        self.buckets: dict[str, Bucket] = {key: Bucket() for key in KEYS}

    def may(self, job: Waiting, now_ms: int, knows: list[str] | None) -> bool:
        """May it be handed out now?"""
        limits = self.limits
        if job.due_ms > now_ms or (knows is not None and job.job not in knows):
            return False
        running = self.running.values()
        if not _is_room(limits.concurrency, sum(one.weight for one in running), job.weight):
            return False
        most = limits.tiers.get(job.partition, limits.per_key)
        if not _is_room(most, sum(one.weight for one in running if one.partition == job.partition), job.weight):
            return False
        buckets = (limits.rate, self.bucket), (limits.per_key_rate, self.buckets[job.partition])
        if any(rate and bucket.now(rate, now_ms) < min(job.weight, rate.tokens) for rate, bucket in buckets):
            return False
        return not (limits.on_retry == "block" and not job.attempts and self.tried(job.partition))

    def tried(self, key: str) -> bool:
        return any(job.attempts and job.partition == key for job in self.waiting.values())

    def hand_out(self, job: Waiting, now_ms: int) -> None:
        del self.waiting[job.id]
        self.running[job.id] = job
        if self.limits.rate is not None:
            self.bucket.spend(self.limits.rate, now_ms, job.weight)
        if self.limits.per_key_rate is not None:
            self.buckets[job.partition].spend(self.limits.per_key_rate, now_ms, job.weight)

    def first_of_key(self, key: str, now_ms: int, knows: list[str] | None) -> str | None:
        """Whatever there is room for: of a key nobody goes before one that needs more."""
        able = [
            job
            for job in self.waiting.values()
            if job.partition == key
            and job.due_ms <= now_ms
            and (knows is None or job.job in knows)
            and not (self.limits.on_retry == "block" and not job.attempts and self.tried(key))
        ]
        return min(able, key=lambda job: (job.due_ms + job.priority * AGEING_MS, job.id)).id if able else None


def _is_room(most: int | None, load: int, weight: int) -> bool:
    """One that is heavier than all there may be goes alone."""
    return most is None or load + min(weight, most) <= most


buckets = st.builds(Rate, st.integers(1, 7), st.sampled_from([0.01, 0.05, 0.1]), st.none() | st.integers(1, 3))
windows = st.builds(
    Rate, st.integers(1, 7), st.sampled_from([0.01, 0.05, 0.17]), st.none(), st.sampled_from(["fixed", "sliding"])
)
rates = buckets | windows
maybe = st.none() | st.integers(1, 3)
on_retry: st.SearchStrategy[OnRetry] = st.sampled_from(["overtake", "block"])
some_limits = st.builds(
    QueueLimits,
    concurrency=maybe,
    per_key=maybe,
    tiers=st.dictionaries(st.sampled_from(KEYS), st.integers(1, 3), max_size=2),
    rate=st.none() | rates,
    per_key_rate=st.none() | rates,
    weights=st.dictionaries(st.sampled_from(KEYS), st.integers(1, 5), max_size=2),
    on_retry=on_retry,
)
put = st.tuples(
    st.just("put"), st.sampled_from(KEYS), st.sampled_from(TAGS), st.sampled_from([0, 0, 20]), st.integers(3, 5),
    st.just(1),
)  # fmt: skip
put_heavy = st.tuples(
    st.just("put"),
    st.sampled_from(KEYS),
    st.sampled_from(TAGS),
    st.sampled_from([0, 20]),
    st.just(4),
    st.integers(1, 4),
)
take = st.tuples(st.just("take"), st.integers(1, 5), st.sampled_from([None, None, ["job.a"], ["job.b", "job.c"]]))
end = st.tuples(st.just("end"), st.integers(0, 9))
retry = st.tuples(st.just("retry"), st.integers(0, 9), st.sampled_from([0, 15, 40]))
remove = st.tuples(st.just("remove"), st.integers(0, 9))
wait = st.tuples(st.just("wait"), st.sampled_from([1, 5, 25]))
limit = st.tuples(st.just("limit"), some_limits)
steps = st.lists(st.one_of(put, put, take, take, end, retry, remove, wait), max_size=60)


def play(limits: QueueLimits, doings: list[tuple[object, ...]]) -> None:
    order, model, now_ms = Order(limits), Model(limits), 1_000_000
    for number, doing in enumerate(doings):
        match doing:
            case ("put", str(key), str(tag), int(delay), int(priority), int(weight)):
                job = a_job(number, key, job=tag, due_ms=now_ms + delay, priority=priority, weight=weight)
                model.waiting[job.id] = job
                order.put(job, now_ms)
            case ("take", int(most), knows):
                assert knows is None or isinstance(knows, list)
                taken = order.take(now_ms, most, knows)
                for job in taken:
                    assert model.may(job, now_ms, knows), f"{job} may not be handed out now"
                    assert model.first_of_key(job.partition, now_ms, knows) == job.id
                    model.hand_out(job, now_ms)
                if len(taken) < most and not order.weighs:  # else those behind a heavy one wait
                    left = [job for job in model.waiting.values() if model.may(job, now_ms, knows)]
                    assert not left, f"{left} may be handed out, and was not"
            case ("end", int(index)) if model.running:
                job = list(model.running.values())[index % len(model.running)]
                del model.running[job.id]
                order.ended(job, now_ms)
            case ("retry", int(index), int(rest)) if model.running:
                job = list(model.running.values())[index % len(model.running)]
                del model.running[job.id]
                order.ended(job, now_ms)
                job.attempts += 1
                job.due_ms = now_ms + rest
                model.waiting[job.id] = job
                order.put(job, now_ms)
            case ("remove", int(index)) if model.waiting:
                job = list(model.waiting.values())[index % len(model.waiting)]
                del model.waiting[job.id]
                order.remove(job)
            case ("wait", int(some_ms)):
                now_ms += some_ms
            case ("limit", QueueLimits() as limits):
                model.limits = limits
                order.limit(limits, now_ms)
        assert len(order) == len(model.waiting)
        assert order.running == len(model.running)
        assert order.load == sum(job.weight for job in model.running.values())
    # All that is left comes in time.
    for _ in range(10_000):
        if not model.waiting:
            break
        for job in list(model.running.values()):
            del model.running[job.id]
            order.ended(job, now_ms)
        for job in order.take(now_ms, 5):
            assert model.may(job, now_ms, None)
            model.hand_out(job, now_ms)
        if not model.running and model.waiting:
            next_ms = order.next_ms(now_ms)
            assert next_ms is not None and next_ms > now_ms, f"{list(model.waiting.values())} wait for nothing"
            now_ms = next_ms
    assert not model.waiting
    for job in model.running.values():
        order.ended(job, now_ms)
    assert order.take(now_ms + 100_000, 1) == []
    order.advance(now_ms + 100_000)
    assert not order.keys and not order.classes and not len(order) and not order.running, "something is remembered"
    assert not order.retrying and order.ages.oldest_ms(now_ms) is None


@settings(max_examples=300)
@given(some_limits, steps)
def test_it_hands_out_what_may_be_handed_out_and_nothing_else(
    limits: QueueLimits, doings: list[tuple[object, ...]]
) -> None:
    play(limits, doings)


@settings(max_examples=200)
@given(some_limits, st.lists(st.one_of(put_heavy, put_heavy, take, take, end, retry, remove, wait), max_size=60))
def test_heavy_ones_hold_to_limits_too_and_are_not_passed_by(
    limits: QueueLimits, doings: list[tuple[object, ...]]
) -> None:
    play(limits, doings)


plain_limits = st.builds(QueueLimits, concurrency=maybe, per_key=maybe, on_retry=on_retry)


@given(plain_limits, st.lists(st.one_of(put, put, take, end, retry, st.tuples(st.just("limit"), plain_limits))))
def test_limits_that_change_hold_at_once(limits: QueueLimits, doings: list[tuple[object, ...]]) -> None:
    play(limits, doings)


@pytest.mark.parametrize(
    ("limits", "count"),
    [
        (QueueLimits(), 20),
        (QueueLimits(concurrency=3), 3),
        (QueueLimits(per_key=2), 4),
        (QueueLimits(per_key=2, tiers={"a": 5, "b": 1}), 6),
        (QueueLimits(rate=Rate(1, burst=4)), 4),
        (QueueLimits(per_key_rate=Rate(1, burst=3)), 6),
        (QueueLimits(per_key=2, concurrency=3, rate=Rate(1, burst=9)), 3),
    ],
    ids=str,
)
def test_each_limit(limits: QueueLimits, count: int) -> None:
    order = Order(limits)
    for number in range(20):
        order.put(a_job(number, "ab"[number % 2]), 0)
    assert len(order.take(0, 20)) == count
    assert order.take(0, 20) == []


@pytest.mark.parametrize(
    ("limits", "weights", "count"),
    [
        (QueueLimits(concurrency=3), [1, 2, 1], 2),
        (QueueLimits(concurrency=2), [1, 2, 1], 1),
        (QueueLimits(concurrency=2), [5, 1], 1),
        (QueueLimits(per_key=3), [1, 2, 1], 2),
        (QueueLimits(per_key=2), [1, 2, 1], 1),
        (QueueLimits(tiers={"a": 4}), [1, 2, 1, 1], 3),
        (QueueLimits(rate=Rate(1, burst=3)), [1, 2, 1], 2),
        (QueueLimits(rate=Rate(1, burst=3)), [1, 3, 1], 1),
        (QueueLimits(per_key_rate=Rate(1, burst=3)), [1, 3, 1], 1),
        (QueueLimits(per_key_rate=Rate(1, burst=3)), [9, 1], 1),
    ],
    ids=str,
)
def test_each_limit_by_weight(limits: QueueLimits, weights: list[int], count: int) -> None:
    order = Order(limits)
    for number, weight in enumerate(weights):
        order.put(a_job(number, "a", weight=weight), 0)
    assert [job.weight for job in order.take(0, 9)] == weights[:count]


def test_a_key_that_waits_for_a_heavy_one_does_not_keep_waiting_what_goes_before_that() -> None:
    order = Order(QueueLimits(per_key=3))
    order.put(a_job(1, "a"), 0)
    assert len(order.take(0, 9)) == 1
    order.put(a_job(2, "a", weight=3), 0)
    assert order.take(0, 9) == []
    order.put(a_job(3, "a", priority=9), 0)
    assert order.take(0, 9) == [], "nobody overtakes it"
    order.put(a_job(4, "a", priority=0), 0)
    assert [int(job.id, 16) for job in order.take(0, 9)] == [4]


@pytest.mark.parametrize("on_retry", ["block", "overtake"])
def test_those_behind_one_that_is_tried_again(on_retry: OnRetry) -> None:
    """Of their key, whatever their class; another key goes on."""
    order = Order(QueueLimits(on_retry=on_retry))
    first = a_job(1, "a")
    order.put(first, 0)
    order.take(0, 1)
    order.ended(first, 0)
    first.attempts, first.due_ms = 1, 1_000
    order.put(first, 0)
    for number, (key, tag) in enumerate([("a", "job.a"), ("a", "job.b"), ("b", "job.a")], start=2):
        order.put(a_job(number, key, job=tag), 0)
    taken = [int(job.id, 16) for job in order.take(500, 10)]
    if on_retry == "overtake":
        assert sorted(taken) == [2, 3, 4]
        assert [int(job.id, 16) for job in order.take(1_000, 10)] == [1]
        return
    assert taken == [4]
    assert order.take(1_000, 10, ["job.b"]) == [], "its own class is not known here"
    assert [int(job.id, 16) for job in order.take(1_000, 1)] == [1]
    assert [len(one.turns) for one in order.classes.values()] == [1, 1], "a turn each"
    assert sorted(int(job.id, 16) for job in order.take(1_000, 10)) == [2, 3], "under way it is not in the way"


def test_small_keys_do_not_wait_for_a_big_one() -> None:
    """One key with 100,000 jobs and 100 with 10: the small ones are done after 10 turns of each."""
    order = Order()
    for number in range(100_000):
        order.put(a_job(number, "big"), 0)
    for number in range(1_000):
        order.put(a_job(100_000 + number, f"small {number % 100}"), 0)
    seen: Counter[str] = Counter()
    taken = 0
    while sum(count for key, count in seen.items() if key != "big") < 1_000:
        jobs = order.take(0, 7)
        taken += len(jobs)
        seen.update(job.partition for job in jobs)
    assert taken <= 1_000 + 12 + 7


def test_one_that_comes_anew_for_each_job_is_not_always_next() -> None:
    order = Order()
    for number in range(300):
        order.put(a_job(number, f"patient {number % 3}"), 0)
    order.put(a_job(1_000, "pushing"), 0)
    seen: Counter[str] = Counter()
    for number in range(200):
        [job] = order.take(0, 1)
        seen[job.partition] += 1
        order.ended(job, 0)
        if job.partition == "pushing":
            order.put(a_job(2_000 + number, "pushing"), 0)
    assert seen["pushing"] <= 51
    assert min(seen.values()) >= 49


def test_a_key_that_was_alone_does_not_pay_for_it() -> None:
    order = Order()
    for number in range(200):
        order.put(a_job(number, "early"), 0)
    order.take(0, 100)
    for number in range(100):
        order.put(a_job(1_000 + number, "late"), 0)
    seen = Counter(job.partition for job in order.take(0, 100))
    assert seen["early"] == 50


def test_a_class_that_nobody_worked_on_catches_up_no_further_than_others() -> None:
    order = Order()
    for number in range(100):
        order.put(a_job(number, "old", job="job.b"), 0)
    for number in range(1_000):
        order.put(a_job(1_000 + number, "busy"), 0)
    order.take(0, 1_000, ["job.a"])
    for number in range(100):
        order.put(a_job(5_000 + number, "new", job="job.b"), 0)
    seen = Counter(job.partition for job in order.take(0, 50))
    assert seen["new"] >= 24


def test_turns_by_weight() -> None:
    order = Order(QueueLimits(weights={"heavy": 3}))
    for number in range(1_000):
        order.put(a_job(number, "heavy" if number % 2 else "light"), 0)
    seen = Counter(job.partition for job in order.take(0, 400))
    assert 299 <= seen["heavy"] <= 301


def test_jobs_of_other_classes_are_not_walked_over() -> None:
    order = Order()
    for number in range(100_000):
        order.put(a_job(number, f"key {number % 50}", job="job.foreign"), 0)
    order.put(a_job(200_000, job="job.mine"), 0)
    foreign = order.classes["job.foreign"].turns
    before = list(foreign)
    assert [job.job for job in order.take(0, 10, frozenset({"job.mine"}))] == ["job.mine"]
    assert order.take(0, 10, frozenset({"job.mine"})) == []
    assert foreign == before


def test_priority_and_age() -> None:
    order = Order()
    order.put(a_job(1, due_ms=0, priority=9), 10**9)
    order.put(a_job(2, due_ms=1, priority=4), 10**9)
    order.put(a_job(3, due_ms=AGEING_MS * 5 - 1, priority=4), 10**9)
    order.put(a_job(4, due_ms=AGEING_MS * 5 + 1, priority=4), 10**9)
    assert [int(job.id, 16) for job in order.take(10**9, 10)] == [2, 3, 1, 4]


def test_those_that_are_restored_count() -> None:
    order = Order(QueueLimits(concurrency=3, per_key=1))
    had = a_job(1, "a")
    order.restore(had, 0)
    order.put(a_job(2, "a"), 0)
    order.put(a_job(3, "b"), 0)
    assert [job.partition for job in order.take(0, 5)] == ["b"]
    order.ended(had, 0)
    assert [job.partition for job in order.take(0, 5)] == ["a"]


def test_tokens_that_former_lives_have_spent_are_spent() -> None:
    rate = Rate(1, per_s=1.0)
    order = Order(QueueLimits(rate=rate, per_key_rate=rate))
    order.put(a_job(1, "a"), 0)
    order.put(a_job(2, "b"), 0)
    assert len(order.take(10_000, 2)) == 1
    assert (order.spent_until_ms, order.keys_spent_until_ms) == (11_000, 11_000)
    later = Order(order.limits)
    later.begin(order.spent_until_ms, order.keys_spent_until_ms, 10_400)
    later.put(a_job(2, "b"), 0)
    assert later.take(10_999, 1) == []
    assert len(later.take(11_000, 1)) == 1


RATES = [Rate(2, per_s=60.0, burst=2), Rate(2, per_s=60.0, window="fixed"), Rate(2, per_s=60.0, window="sliding")]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("of_keys", [True, False])
def test_what_nobody_has_begun_gives_its_tokens_back(rate: Rate, of_keys: bool) -> None:
    order = Order(QueueLimits(per_key_rate=rate) if of_keys else QueueLimits(rate=rate))
    for number in range(5):
        order.put(a_job(number, "a"), 0)
    first, second = order.take(0, 9)
    assert order.take(0, 9) == [] and (order.next_ms(1_000) or 0) > 1_000, "it waits for its tokens"
    order.ended(first, 1_000)
    assert order.take(1_000, 9) == [], "that one was begun"
    order.ended(second, 1_000, unbegun_ms=0)
    assert len(order.take(1_000, 9)) == 1, "as if it had not been taken"


def test_what_was_taken_by_other_rates_gives_nothing_back() -> None:
    order = Order()
    for number in range(5):
        order.put(a_job(number, "a"), 0)
    (before,) = order.take(0, 1)
    order.limit(QueueLimits(rate=Rate(2, per_s=60.0, window="fixed")), 1_000)
    assert len(order.take(1_000, 9)) == 2
    order.ended(before, 2_000, unbegun_ms=0)
    assert order.take(2_000, 9) == []


def test_of_a_key_that_is_new_to_this_life_nobody_knows_what_former_ones_have_spent() -> None:
    order = Order(QueueLimits(per_key_rate=Rate(1, per_s=1.0)))
    order.begin(0, 11_000, 10_400)
    order.put(a_job(1, "a"), 10_400)
    assert order.take(10_999, 1) == []
    assert order.next_ms(10_999) == 11_000
    assert len(order.take(11_000, 1)) == 1


@pytest.mark.bound("jobs of one queue whose time comes at once")
def test_many_that_are_due_at_once_are_moved_a_stretch_at_a_time() -> None:
    order = Order()
    for number in range(DUE_AT_ONCE + 5):
        order.put(a_job(number, due_ms=1_000), 0)
    assert order.next_ms(0) == 1_000
    assert order.next_ms(1_000) == 1_001
    assert order.ready == DUE_AT_ONCE
    assert order.next_ms(1_001) is None
    assert order.ready == DUE_AT_ONCE + 5


@pytest.mark.bound("keys without jobs that a queue remembers for the tokens they have spent")
def test_keys_that_are_forgotten_before_their_time_hold_new_ones_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenroom.actors.jobs.queue.order.IDLE_KEYS_MAX", 3)
    order = Order(QueueLimits(per_key_rate=Rate(1, per_s=10.0)))

    def begins(number: int, now_ms: int) -> bool:
        order.put(a_job(number, f"key {number}"), now_ms)
        jobs = order.take(now_ms, 1)
        for job in jobs:
            order.ended(job, now_ms)
        return bool(jobs)

    assert [begins(number, number) for number in range(1_000, 1_004)] == [True] * 4
    assert len(order.keys) == 3
    assert not begins(1_005, 11_002), "it might be the one that was forgotten"
    assert begins(1_006, 11_003)


def test_keys_of_removed_ones_do_not_pile_up() -> None:
    order = Order()
    for number in range(1_000):
        job = a_job(number, f"key {number}")
        order.put(job, 0)
        order.remove(job)
    assert len(order.keys) < 3


def test_removed_ones_do_not_pile_up() -> None:
    """As when one that is put off again and again is removed and added anew."""
    order = Order()
    order.put(a_job(0, due_ms=5), 0)
    kept = a_job(1, "b")
    order.put(kept, 0)
    for number in range(2, 10_000):
        for job in (a_job(number, due_ms=10_000), a_job(number, "b")):
            order.put(job, 0)
            order.remove(job)
    assert len(order) == 2
    assert len(order.later._heap) < 10
    assert len(order.classes["job.a"].lanes["b"].fresh) < 10
    assert order.take(0, 10) == [kept]
