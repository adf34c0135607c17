"""Lanes: the jobs of one key and one class that could be handed out, the first of them in front.

A queue has a lane for each key and class of which there are jobs. Whose worker knows some classes only looks at their
lanes; what is limited and takes turns is the key.
"""

from heapq import heapify, heappop, heappush

from msgspec import Struct, field

from greenroom.actors.jobs.queue.waiting import GONE, Waiting

Turn = tuple[int, int, "Lane"]  # the key's pass when it was written down, a number, and the lane


class Key(Struct, gc=False, eq=False):
    """Jobs with the same partition. One that owes nothing to anybody is forgotten."""

    name: str
    stride: int  # what a job costs it; the heavier, the less
    most: int  # that may be under way, by their weights
    turn: int = 0  # its pass: the key with the least is next
    lanes: int = 0
    running: int = 0
    load: int = 0  # of those, together
    tried: int = 0  # that wait and are tried again, now or later
    spent: int = 0  # see Meter
    spent_ms: int = 0  # when some was last
    is_parked: bool = False  # until one ends, or a token comes
    asleep_until_ms: int = 0  # then it is looked at; 0: it need not be


class Lane(Struct, gc=False, eq=False):
    """Two heaps: those that are tried again apart, for where others must wait behind them."""

    key: Key
    fresh: list[Waiting] = field(default_factory=list)
    again: list[Waiting] | None = None
    gone: int = 0  # of both, that nobody is to have
    has_turn: bool = False

    def __len__(self) -> int:
        return len(self.fresh) + (len(self.again) if self.again else 0) - self.gone

    def add(self, job: Waiting) -> None:
        if not (job.attempts or job.lost):
            heappush(self.fresh, job)
        elif self.again is None:
            self.again = [job]
        else:
            heappush(self.again, job)

    def first(self, *, again_only: bool) -> Waiting | None:
        """The one in front."""
        if self.gone:
            self._drop()
        again, fresh = self.again, self.fresh
        if again and (again_only or not fresh or again[0] < fresh[0]):
            return again[0]
        return fresh[0] if fresh and not again_only else None

    def pop(self) -> Waiting:
        """The one in front: of those that are tried again, if it is one of them."""
        again, fresh = self.again, self.fresh
        if again and (not fresh or again[0] < fresh[0]):
            return heappop(again)
        return heappop(fresh)

    def pop_again(self) -> Waiting:
        assert self.again
        return heappop(self.again)

    def remove(self) -> None:
        """One in here has been marked as gone. It stays until it comes to the front, or half of them are gone."""
        self.gone += 1
        if self.gone * 2 > len(self.fresh) + len(self.again or ()):
            self.fresh = _without_gone(self.fresh)
            self.again = _without_gone(self.again) if self.again else None
            self.gone = 0

    def _drop(self) -> None:
        """Those that are gone, from the front."""
        for heap in (self.fresh, self.again):
            while heap and heap[0].token == GONE:
                heappop(heap)
                self.gone -= 1


class JobClass(Struct, gc=False, eq=False):
    """Jobs with the same tag."""

    tag: str
    lanes: dict[str, Lane] = field(default_factory=dict)  # by the key's name
    turns: list[Turn] = field(default_factory=list)  # a heap: whose turn it is
    emptied: int = 0  # lanes that became empty while they had a turn, since these were looked for, about

    def without_turn(self) -> list[Lane]:
        """A lane has become empty and has a turn still. Where half of them are so, they lose it; returns them."""
        self.emptied += 1
        if self.emptied * 2 <= len(self.turns):
            return []
        empty = [turn[2] for turn in self.turns if not len(turn[2])]
        for lane in empty:
            lane.has_turn = False
        self.turns = [turn for turn in self.turns if turn[2].has_turn]
        heapify(self.turns)
        self.emptied = 0
        return empty


FAR = 1 << 60


class Later:
    """Jobs whose time has not come. A heap by `place`, which is when it does, far below any place in a lane."""

    def __init__(self) -> None:
        self._heap: list[Waiting] = []
        self._gone = 0

    def __len__(self) -> int:
        return len(self._heap) - self._gone

    def add(self, job: Waiting) -> None:
        job.place = job.due_ms - FAR
        heappush(self._heap, job)

    def has(self, job: Waiting) -> bool:
        """Or a lane has it."""
        return job.place < -FAR // 2

    def remove(self) -> None:
        """One in here has been marked as gone."""
        self._gone += 1
        if self._gone * 2 > len(self._heap):
            self._heap = _without_gone(self._heap)
            self._gone = 0

    def next_ms(self) -> int | None:
        heap = self._heap
        while heap and heap[0].token == GONE:
            heappop(heap)
            self._gone -= 1
        return heap[0].due_ms if heap else None

    def pop(self) -> Waiting:
        """The first, after `next_ms` has said that there is one."""
        return heappop(self._heap)


def _without_gone(heap: list[Waiting]) -> list[Waiting]:
    left = [job for job in heap if job.token != GONE]
    heapify(left)
    return left
