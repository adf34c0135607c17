"""The order of a queue: which job is next, and when the next one may be.

Keys take turns by weight (stride scheduling): the key whose pass is least is next, and a job costs it the less the
heavier it is. Within a key the first is the one with the least rank, by priority and age. A key that has as much under
way as it may, or no token left, is parked: it has no turn until one of its jobs ends, or time has passed, so nobody
looks at it again and again.

Pure: time comes as an argument, and nothing is remembered but jobs and keys.
"""

from collections.abc import Collection, Mapping
from heapq import heappop, heappush
from types import MappingProxyType

from greenroom.actors.jobs.limits import NO_LIMITS, WEIGHT_MAX, QueueLimits
from greenroom.actors.jobs.options import WEIGHT_MAX as JOB_WEIGHT_MAX
from greenroom.actors.jobs.queue.ages import Ages
from greenroom.actors.jobs.queue.lanes import JobClass, Key, Lane, Later
from greenroom.actors.jobs.queue.rates.meter import Meter, meter_of
from greenroom.actors.jobs.queue.rates.told import Known, Told
from greenroom.actors.jobs.queue.waiting import GONE, TAKE_BYTES, Waiting

AGEING_MS = 60_000  # a job that has waited for so long goes before one that comes with one priority better
PRIORITY = 4  # of a job that says nothing
STRIDE = WEIGHT_MAX * 5_040  # of weight 1
NO_LIMIT = 1 << 53
DUE_AT_ONCE = 10_000  # jobs whose time has come that are moved in one stretch
IDLE_KEYS_MAX = 100_000  # without jobs, remembered for the tokens that they have spent
NOTHING: Mapping[str, Known] = MappingProxyType({})
ALL = ""  # as a window's name: the queue's own
ASLEEP_MS = 5  # a queue out of tokens waits for as many as come in that time


class Order:
    """Jobs that nobody has, each in here once; and how many of each key somebody has."""

    def __init__(self, limits: QueueLimits = NO_LIMITS) -> None:
        self._bytes_left = TAKE_BYTES  # of arguments, for the take under way
        self.limits = limits
        self.running = 0
        self.load = 0  # what those under way weigh together
        self.weighs = False  # is there, or was there, one that is not of weight 1?
        self._load_left = 0  # for the take under way, where that is so
        self._tokens_left = 0
        self._needs = 1  # tokens, for the first that did not fit
        self.retrying = 0  # of those whose time has not come, tried before
        self.spent_until_ms = 0  # by then the queue's bucket is full
        self.keys_spent_until_ms = 0  # by then all buckets of keys are
        self.told = Told()  # of windows, where buckets are as full as that
        self.keys_told = Told()
        self.keys: dict[str, Key] = {}
        self.ages = Ages()
        self.later = Later()
        self.classes: dict[str, JobClass] = {}
        self._ready = 0
        self._turn = 0  # the pass of the key that was last
        self._number = 0
        self._asleep: list[tuple[int, int, Key]] = []  # parked or idle until then
        self._idle_until_ms = 0  # by then all keys' buckets are full that were forgotten
        self._spent = 0
        self._spent_ms = 0  # when some was last
        self._metered_ms = 0  # what was taken before that was measured by other rates, or by none
        self._ranked = (0, 0, 0)  # the last rank that was worked out, with what it is of
        self._measure()

    def __len__(self) -> int:
        return self._ready + len(self.later)

    @property
    def ready(self) -> int:
        """Jobs that limits alone keep from being handed out, or nobody's knowing their class."""
        return self._ready

    # Limits.

    def _measure(self) -> None:
        limits = self.limits
        self.concurrency = limits.concurrency or NO_LIMIT
        self.meter = meter_of(limits.rate) if limits.rate is not None else None
        self.key_meter = meter_of(limits.per_key_rate) if limits.per_key_rate is not None else None
        self.blocks = limits.on_retry == "block"
        self._per_key = limits.per_key or NO_LIMIT

    def limit(self, limits: QueueLimits, now_ms: int) -> None:
        """From now on. What is under way goes on, also where that is more than there may be now."""
        meter, key_meter = self.meter, self.key_meter
        self.limits = limits
        self._measure()
        if (self.meter, self.key_meter) != (meter, key_meter):
            self._metered_ms = now_ms + 1
        if self.meter is not None and self.meter != meter:
            self._spent = self.meter.with_used(meter.used(self._spent, now_ms), now_ms) if meter is not None else 0
            self._note_all_spent(now_ms)
        for key in list(self.keys.values()):
            self._set_up(key)
            if self.key_meter is not None and self.key_meter != key_meter:
                used = key_meter.used(key.spent, now_ms) if key_meter is not None else 0
                key.spent = self.key_meter.with_used(used, now_ms) if used else 0
                self._note_spent(key, now_ms)
            self._wake(key, now_ms)

    def begin(
        self,
        spent_until_ms: int,
        keys_spent_until_ms: int,
        now_ms: int,
        told: Mapping[str, Known] = NOTHING,
        keys_told: Mapping[str, Known] = NOTHING,
        spent_ahead_ms: int = 0,
    ) -> None:
        """A life begins, after others have spent tokens: by then all will be back. `told`: of windows.
        `spent_ahead_ms`: how far ahead that was of the clock that said so, which may have been set since."""
        self.spent_until_ms, self.keys_spent_until_ms = spent_until_ms, keys_spent_until_ms
        self.told.begin(told)
        self.keys_told.begin(keys_told)
        if self.meter is not None:
            owes = min(self.meter.drip(spent_ahead_ms), self.meter.burst + JOB_WEIGHT_MAX)  # by a heavy job
            self._spent = _as_of(self.meter, self.told.get(ALL), spent_until_ms, now_ms, owes)
        # Of keys: whose debt it is nobody knows, and what one owes by a heavy job must not hold up all of them.
        self._idle_until_ms = keys_spent_until_ms

    def _set_up(self, key: Key) -> None:
        limits = self.limits
        key.stride = STRIDE // limits.weights.get(key.name, 1)
        key.most = limits.tiers.get(key.name, self._per_key)

    def _key(self, name: str, now_ms: int) -> Key:
        key = self.keys.get(name)
        if key is None:
            key = self.keys[name] = Key(name, 0, 0)
            self._set_up(key)
            # Behind whoever has waited already: else one that comes anew for each job would always be next.
            key.turn = self._turn + key.stride
            if self.key_meter is not None:
                key.spent = _as_of(self.key_meter, self.keys_told.get(name), self._idle_until_ms, now_ms)
        return key

    def _note_spent(self, key: Key, now_ms: int) -> None:
        meter = self.key_meter
        assert meter is not None
        if meter.ahead_ms is None or not self.keys_told.spent(key.name, key.spent, meter, now_ms):
            self.keys_spent_until_ms = max(self.keys_spent_until_ms, meter.full_ms(key.spent))

    def _note_all_spent(self, now_ms: int) -> None:
        """Likewise of the queue's own rate."""
        meter = self.meter
        assert meter is not None
        if meter.ahead_ms is None:
            self.spent_until_ms = max(self.spent_until_ms, meter.full_ms(self._spent))
        else:
            self.told.spent(ALL, self._spent, meter, now_ms)

    # Jobs come and go.

    def put(self, job: Waiting, now_ms: int) -> None:
        tried = job.attempts > 0 or job.lost > 0
        if job.weight > 1:
            self.weighs = True
        if tried:
            self._key(job.partition, now_ms).tried += 1
        if job.due_ms > now_ms:
            self.retrying += tried
            self.later.add(job)
        else:
            self._add(job, now_ms)

    def _add(self, job: Waiting, now_ms: int) -> None:
        one = self.classes.get(job.job)
        if one is None:
            one = self.classes[job.job] = JobClass(job.job)
        lane = one.lanes.get(job.partition)
        if lane is None:
            key = self._key(job.partition, now_ms)
            key.lanes += 1
            lane = one.lanes[key.name] = Lane(key)
        job.job = one.tag  # the same text once, however many jobs have come with it
        job.partition = lane.key.name
        job.place = self._rank(job)
        lane.add(job)
        self._ready += 1
        self.ages.add(job.due_ms)
        if self.weighs and lane.key.is_parked and lane.first(again_only=False) is job:
            self._wake(lane.key, now_ms)  # it may be for a heavier one that its key waits
        if not lane.has_turn and not lane.key.is_parked:
            self._give_turn(one, lane)

    def _rank(self, job: Waiting) -> int:
        """Ageing without a clock: all grow old at the same pace. Most are ranked by when they were due, by the same
        number in memory too."""
        if job.priority == PRIORITY:
            return job.due_ms
        due_ms, priority, rank = self._ranked
        if due_ms != job.due_ms or priority != job.priority:
            rank = job.due_ms + (job.priority - PRIORITY) * AGEING_MS
            self._ranked = job.due_ms, job.priority, rank
        return rank

    def _give_turn(self, one: JobClass, lane: Lane) -> None:
        key = lane.key
        if key.turn < self._turn:  # what it could not use it has not saved
            key.turn = self._turn
        self._number += 1
        heappush(one.turns, (key.turn, self._number, lane))
        lane.has_turn = True

    def remove(self, job: Waiting) -> None:
        """It is in here, and nobody is to have it. It may come again as a copy, never itself."""
        job.token = GONE
        tried = job.attempts > 0 or job.lost > 0
        if self.later.has(job):
            self.retrying -= tried
            self.later.remove()
        else:
            one = self.classes[job.job]
            lane = one.lanes[job.partition]
            lane.remove()
            self._ready -= 1
            self.ages.remove(job.due_ms)
            if job.weight > 1 and lane.key.is_parked:  # it may be for this one that others of its key wait
                self._wake(lane.key, 0)
            self._drop_if_empty(one, lane)
        if tried:
            self._not_tried(self.keys[job.partition])

    def _not_tried(self, key: Key) -> None:
        """One less of its jobs waits to be tried again."""
        key.tried -= 1
        if not key.tried:
            if self.blocks:
                self._give_turns(key)
            self._forget_if_idle(key)

    def _drop_if_empty(self, one: JobClass, lane: Lane) -> None:
        if len(lane):
            return
        if lane.has_turn:
            for empty in one.without_turn():
                self._drop_if_empty(one, empty)
            return
        key = lane.key
        del one.lanes[key.name]
        key.lanes -= 1
        if not one.lanes:
            del self.classes[one.tag]
        if not key.lanes:
            self._forget_if_idle(key)

    def restore(self, job: Waiting, now_ms: int) -> None:
        """One that somebody has had since before this life."""
        self.running += 1
        self.load += job.weight
        key = self._key(job.partition, now_ms)
        key.running += 1
        key.load += job.weight

    def ended(self, job: Waiting, now_ms: int, *, unbegun_ms: int | None = None) -> None:
        """One that was taken is not under way any more. `unbegun_ms`: it was taken then, and nobody has begun it."""
        self.running -= 1
        self.load -= job.weight
        key = self.keys[job.partition]
        key.running -= 1
        key.load -= job.weight
        if unbegun_ms is not None:
            self._give_back(key, job.weight, unbegun_ms)
        if key.is_parked:
            self._wake(key, now_ms)
        elif not key.running and not key.lanes:
            self._forget_if_idle(key, now_ms)

    def _give_back(self, key: Key, tokens: int, then_ms: int) -> None:
        """What was taken of rates then. (What is written down of it stays, which is more than is spent.)"""
        if then_ms < self._metered_ms:
            return
        if self.meter is not None:
            self._spent = self.meter.give_back(self._spent, then_ms, self._spent_ms, tokens)
        if self.key_meter is not None:
            key.spent = self.key_meter.give_back(key.spent, then_ms, key.spent_ms, tokens)

    # Keys sleep, wake and are forgotten.

    def _wake(self, key: Key, now_ms: int) -> None:
        key.is_parked = False
        self._give_turns(key)
        self._forget_if_idle(key, now_ms)

    def _give_turns(self, key: Key) -> None:
        if key.lanes and not key.is_parked:
            for one in self.classes.values():
                lane = one.lanes.get(key.name)
                if lane is not None and not lane.has_turn:
                    self._give_turn(one, lane)

    def _sleep(self, key: Key, until_ms: int) -> None:
        if not key.asleep_until_ms or until_ms < key.asleep_until_ms:
            key.asleep_until_ms = until_ms
            self._number += 1
            heappush(self._asleep, (until_ms, self._number, key))

    def _forget_if_idle(self, key: Key, now_ms: int = 0) -> None:
        """`now_ms` of 0: not known here, so one that may owe something is kept until it is looked at."""
        if key.lanes or key.running or key.tried or self.keys.get(key.name) is not key:
            return
        if self.key_meter is None or (full_ms := self.key_meter.full_ms(key.spent)) <= now_ms:
            del self.keys[key.name]
        elif len(self._asleep) >= IDLE_KEYS_MAX:  # all new ones are held to what this one has spent
            del self.keys[key.name]
            self._idle_until_ms = max(self._idle_until_ms, full_ms)
        else:
            self._sleep(key, full_ms)

    def advance(self, now_ms: int) -> None:
        """Time has passed."""
        later, asleep = self.later, self._asleep
        for _ in range(DUE_AT_ONCE):
            due_ms = later.next_ms()
            if due_ms is None or due_ms > now_ms:
                break
            job = later.pop()
            if job.attempts or job.lost:
                self.retrying -= 1
            self._add(job, now_ms)
            if self.blocks:  # its lane may have had no turn while nothing in it could go
                self._give_turns(self.keys[job.partition])
        for _ in range(DUE_AT_ONCE):
            if not asleep or asleep[0][0] > now_ms:
                break
            until_ms, _, key = heappop(asleep)
            if until_ms == key.asleep_until_ms:
                key.asleep_until_ms = 0
            self._wake(key, now_ms)

    # Who is next.

    def take(self, now_ms: int, most: int, knows: Collection[str] | None = None) -> list[Waiting]:
        """The next ones, at most so many, of classes that the worker knows; None: of all."""
        self.advance(now_ms)
        room = self.room(now_ms)
        found: list[Waiting] = []
        if room <= 0 or most <= 0:
            return found
        known = self._known(knows)
        self._bytes_left = TAKE_BYTES
        if self.weighs:
            self._load_left, self._tokens_left = self.concurrency - self.load, self.tokens(now_ms)
            self._needs = 1
        else:
            most = min(most, room)
        while len(found) < most and self._bytes_left > 0:
            first = None
            for one in known:
                if one.turns and (first is None or one.turns[0] < first.turns[0]):
                    first = one
            if first is None:
                break
            if not self._take_turn(first, known, now_ms, most - len(found), found):
                break
        load = sum([job.weight for job in found]) if self.weighs else len(found)
        self.running += len(found)
        self.load += load
        self._ready -= len(found)
        if self.meter is not None and found:
            self._spent_ms = now_ms
            self._spent = self.meter.spend(self._spent, now_ms, load)
            self._note_all_spent(now_ms)
        return found

    def room(self, now_ms: int) -> int:
        """Jobs of weight 1 that the queue's own limits let begin now."""
        return min(self.concurrency - self.load, self.tokens(now_ms))

    def load_of(self, weight: int) -> int:
        """That the queue must have left for one that weighs so much: where that is more than its whole limit, all."""
        return min(weight, self.concurrency)

    def tokens(self, now_ms: int) -> int:
        """That the queue's rate has left now."""
        return NO_LIMIT if self.meter is None else self.meter.tokens(self._spent, now_ms)

    def tokens_of(self, weight: int) -> int:
        """Likewise, of its rate."""
        return 1 if self.meter is None else min(weight, self.meter.burst)

    def token_ms(self, weight: int) -> int:
        """When the queue's rate has enough for one that weighs so much."""
        assert self.meter is not None
        return self.meter.next_ms(self._spent, self.tokens_of(weight))

    def _known(self, knows: Collection[str] | None) -> list[JobClass]:
        classes = self.classes
        if knows is None:
            return list(classes.values())
        if len(knows) <= len(classes):
            return [classes[tag] for tag in knows if tag in classes]
        return [one for tag, one in classes.items() if tag in knows]

    def _take_turn(self, one: JobClass, known: list[JobClass], now_ms: int, most: int, found: list[Waiting]) -> bool:
        """Of the lane whose turn it is; or it has none any more. False: the one whose turn it is does not fit into what
        the queue has left, and nobody goes before it."""
        turn, _, lane = heappop(one.turns)
        lane.has_turn = False
        key = lane.key
        if not len(lane):
            self._drop_if_empty(one, lane)
            return True
        if turn < key.turn:  # it had its turn by another class meanwhile
            self._give_turn(one, lane)
            return True
        room = self._room_of(key, now_ms)
        if room <= 0:
            return True
        again_only = self.blocks and key.tried > 0
        if len(known) > 1:
            source, source_lane = self._first_of(key, known, again_only) or (one, lane)
        else:
            source, source_lane = one, lane
        first = source_lane.first(again_only=again_only)
        if first is None:
            return True  # it waits behind one that is tried again; then all lanes of the key have a turn
        if self.weighs:
            if self._room_of(key, now_ms, first.weight) <= 0:
                return True
            if not self._fits(first.weight):
                self._give_turn(one, lane)
                return False
            count = 1
        else:
            # Alone it need not ask whose turn is next, and does not pay for it: nobody has waited for that.
            count = min(most, room) if len(known) == 1 and not one.turns else 1
        taken = self._pop(source_lane, count, again_only)
        load = first.weight if self.weighs else len(taken)
        found += taken
        key.running += len(taken)
        key.load += load
        self._turn = max(self._turn, turn)
        key.turn = self._turn + (key.stride * load if self.weighs else key.stride)
        if self.key_meter is not None:
            key.spent_ms = now_ms
            key.spent = self.key_meter.spend(key.spent, now_ms, load)
            self._note_spent(key, now_ms)
        if not len(lane):
            self._drop_if_empty(one, lane)
        elif not lane.has_turn:
            self._give_turn(one, lane)
        if source_lane is not lane:
            self._drop_if_empty(source, source_lane)
        return True

    def _fits(self, weight: int) -> bool:
        """Into what the queue has left for the take under way; then it has less."""
        if self.load_of(weight) > self._load_left:
            return False
        if (needs := self.tokens_of(weight)) > self._tokens_left:
            self._needs = needs
            return False
        self._load_left -= weight
        self._tokens_left -= weight
        return True

    def _first_of(self, key: Key, known: list[JobClass], again_only: bool) -> tuple[JobClass, Lane] | None:
        """The key's lane whose job goes first."""
        best: tuple[JobClass, Lane] | None = None
        best_job: Waiting | None = None
        for one in known:
            lane = one.lanes.get(key.name)
            job = lane.first(again_only=again_only) if lane is not None else None
            if job is not None and lane is not None and (best_job is None or job < best_job):
                best, best_job = (one, lane), job
        return best

    def _room_of(self, key: Key, now_ms: int, weight: int = 1) -> int:
        """Jobs of the key that may begin now, of which the first weighs so much. Where that is none it is parked."""
        room = key.most - key.load
        if room < min(weight, key.most):
            key.is_parked = True
            return 0
        if self.key_meter is not None:
            tokens, needs = self.key_meter.tokens(key.spent, now_ms), min(weight, self.key_meter.burst)
            if tokens < needs:
                key.is_parked = True
                self._sleep(key, self.key_meter.next_ms(key.spent, needs))
                return 0
            room = min(room, tokens)
        return room

    def _pop(self, lane: Lane, count: int, again_only: bool) -> list[Waiting]:
        """So many from its front, at most."""
        taken: list[Waiting] = []
        fresh, ages, bytes_left = lane.fresh, self.ages, self._bytes_left
        while len(taken) < count and bytes_left > 0:
            if not lane.again and not lane.gone and not again_only:  # as nearly always
                if not fresh:
                    break
                job = heappop(fresh)
            elif lane.first(again_only=again_only) is None:
                break
            else:
                job = lane.pop_again() if again_only else lane.pop()
                if job.attempts or job.lost:
                    self._not_tried(lane.key)
                    again_only = again_only and lane.key.tried > 0
                fresh = lane.fresh
            taken.append(job)
            ages.remove(job.due_ms)
            if job.arguments is not None:
                bytes_left -= len(job.arguments)
        self._bytes_left = bytes_left
        return taken

    def next_ms(self, now_ms: int) -> int | None:
        """When one may be ready that is not, without anything else happening; None: nothing waits for time."""
        self.advance(now_ms)
        due_ms = self.later.next_ms()
        times = [] if due_ms is None else [max(due_ms, now_ms + 1)]
        if self._asleep:
            times.append(max(self._asleep[0][0], now_ms + 1))
        if self.meter is not None and self._ready and self.load < self.concurrency:
            some = max(self._needs, min(self.meter.burst, self.meter.drip(ASLEEP_MS)))
            when_ms = self.meter.next_ms(self._spent, some)
            if when_ms > now_ms:
                times.append(when_ms)
        return min(times) if times else None


def _as_of(meter: Meter, told: Known | None, full_ms: int, now_ms: int, owes: int = 0) -> int:
    """What is spent, by what a former life has written down. `owes`: tokens, where these are more than there are."""
    if told is None or meter.ahead_ms is None:
        return meter.as_of(full_ms, now_ms, max(meter.burst, owes))
    return meter.as_of(told[0], now_ms, told[1])
