"""Ages: how long the oldest of the jobs that could be handed out has waited, to the second, however many there are."""

from heapq import heappop, heappush


class Ages:
    """Counts by second, since any of them may be the next to go."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._seconds: list[int] = []  # a heap, which holds each of `_counts` once
        self._empty = 0  # of `_counts`

    def add(self, due_ms: int) -> None:
        second = due_ms // 1000
        counts = self._counts
        count = counts.get(second)
        if count is None:
            counts[second] = 1
            heappush(self._seconds, second)
        else:
            counts[second] = count + 1
            if not count:
                self._empty -= 1

    def remove(self, due_ms: int) -> None:
        second = due_ms // 1000
        counts = self._counts
        count = counts[second] = counts[second] - 1
        if count:
            return
        self._empty += 1
        seconds = self._seconds
        while seconds and not counts[seconds[0]]:
            del counts[heappop(seconds)]
            self._empty -= 1
        if self._empty * 2 > len(seconds):  # behind one that waits for ever
            self._counts = {one: count for one, count in counts.items() if count}
            self._seconds = sorted(self._counts)
            self._empty = 0

    def oldest_ms(self, now_ms: int) -> int | None:
        """None: there is none."""
        return max(0, now_ms - self._seconds[0] * 1000) if self._seconds else None

    def __len__(self) -> int:
        """Seconds that it remembers."""
        return len(self._seconds)
