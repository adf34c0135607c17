"""Which jobs of a queue are one with others, by their keys: see actors/jobs/unique.py. Pure; time is an argument.

The queue's owner alone decides, of what is added to it and of what it finds that others have added. A unique index
would have to make whoever adds wait for transactions that are open elsewhere, and with them all that commits beside.
"""

from collections.abc import Callable, Iterable
from enum import Enum

from msgspec import Struct

from greenroom.actors.jobs.options import UniqueKey
from greenroom.store.journal.consequences.jobs import WindowRow

WINDOWS_MAX = 100_000  # that are open at once
CLOCKS_MS = 2_000  # by which clocks of two nodes may differ, and nobody takes it for more


class What(Enum):
    """What becomes of a job with a key."""

    ADD = "add"
    PARK = "park"  # added, and held back until the one under way has ended
    DUPLICATE = "duplicate"  # of that one
    REPLACE = "replace"  # the one that waits: it is to be as this one


class Verdict(Struct, frozen=True):
    """`id` is that of the job that is meant beside the new one."""

    what: What
    id: str = ""


class Holder(Struct):
    """Of one key: the job that is not finished, and the one that goes behind it."""

    id: str
    behind: str = ""
    begun: bool = False  # a worker has begun it: what it has done is not thrown away for another's sake
    was_let_in: bool = False  # of one that is stored: a worker has had it, begun or not


ADD, PARK = Verdict(What.ADD), Verdict(What.PARK)


class Keys:
    """Of one queue."""

    def __init__(self) -> None:
        self._holders: dict[str, Holder] = {}
        self._windows: dict[str, WindowRow] = {}

    def begin(self, windows: Iterable[WindowRow]) -> None:
        """Those that are stored."""
        self._windows = {one.key: one for one in windows}

    def hold(self, unique: UniqueKey, id: str, *, was_let_in: bool = False, begun: bool = False) -> str:
        """One that is stored, which nobody has. The id of the one that is held back from now on, itself or another; ""
        where none is."""
        if unique.mode == "throttle":
            return ""
        holder = self._holders.get(unique.key)
        if holder is None or unique.mode != "keep_last" or holder.behind:
            self._holders[unique.key] = Holder(id, begun=begun, was_let_in=was_let_in)
            return ""
        if was_let_in and not holder.was_let_in:  # it goes first: clocks of two owners may differ
            self._holders[unique.key] = Holder(id, holder.id, begun, was_let_in)
            return holder.id
        holder.behind = id
        return id

    def hold_taken(self, unique: UniqueKey, id: str) -> str:
        """One that is stored, which a worker has. The id of the one that it holds back; "" where there is none."""
        if unique.mode == "throttle":
            return ""
        holder = self._holders.get(unique.key)
        back = holder.id if holder is not None and unique.mode == "keep_last" else ""
        if holder is None or back:
            self._holders[unique.key] = Holder(id, back, begun=True, was_let_in=True)
        return back

    def put_back(self, unique: UniqueKey, id: str, *, unbegun: bool = False) -> bool:
        """A worker has had it; `unbegun`: and has not begun it. Is it as if nobody had had it?"""
        holder = self._holders.get(unique.key)
        if holder is None or holder.id != id:
            return False
        holder.begun = holder.begun or not unbegun
        return not holder.begun

    def is_full(self, now_ms: int) -> bool:
        """Are too many windows open for another?"""
        if len(self._windows) >= WINDOWS_MAX:
            self._windows = {key: one for key, one in self._windows.items() if one.until_ms > now_ms}
        return len(self._windows) >= WINDOWS_MAX

    def judge(self, unique: UniqueKey, id: str, added_ms: int, now_ms: int, is_taken: Callable[[str], bool]) -> Verdict:
        """What becomes of a job that is new here. Changes nothing."""
        if unique.mode == "throttle":
            window = self._windows.get(unique.key)
            if window is None or not _is_open(window, unique, now_ms) or window.id == id:
                return ADD
            # One that was added before that window was open has been let in by an earlier one.
            is_within = added_ms >= window.until_ms - int(unique.ttl_s * 1000)
            return Verdict(What.DUPLICATE, window.id) if is_within else ADD
        holder = self._holders.get(unique.key)
        if holder is None or holder.id == id:
            return ADD
        if unique.mode == "simple":
            return Verdict(What.DUPLICATE, holder.id)
        if holder.behind:
            return Verdict(What.REPLACE, holder.behind)
        if not holder.begun and not is_taken(holder.id):
            return Verdict(What.REPLACE, holder.id)
        return PARK if unique.mode == "keep_last" else ADD

    def added(self, queue: str, unique: UniqueKey, id: str, verdict: Verdict, now_ms: int) -> WindowRow | None:
        """It was, by that verdict. The window to be written, where one is open from now on."""
        if unique.mode == "throttle":
            window = self._windows.get(unique.key)
            if window is not None and _is_open(window, unique, now_ms):
                return None
            if self.is_full(now_ms):
                return None  # of one found: whoever has added it can't be refused any more
            window = WindowRow(queue, unique.key, id, now_ms + int(unique.ttl_s * 1000))
            self._windows[unique.key] = window
            return window
        holder = self._holders.get(unique.key)
        if (verdict.what is What.PARK and holder is not None) or (
            holder is not None and verdict.what is What.REPLACE and holder.behind == verdict.id
        ):
            holder.behind = id
        else:
            self._holders[unique.key] = Holder(id)
        return None

    def is_behind(self, unique: UniqueKey, id: str) -> bool:
        """Is it held back by another?"""
        holder = self._holders.get(unique.key)
        return holder is not None and holder.behind == id

    def ended(self, unique: UniqueKey, id: str) -> str:
        """It is not there any more. The id of the one that was held back by it; "" where there is none."""
        holder = self._holders.get(unique.key)
        if holder is None:
            return ""
        if holder.behind == id:
            holder.behind = ""
        elif holder.id == id:
            if holder.behind:
                self._holders[unique.key] = Holder(holder.behind)
                return holder.behind
            del self._holders[unique.key]
        return ""


def _is_open(window: WindowRow, unique: UniqueKey, now_ms: int) -> bool:
    """One that would be open for longer than any that begins now is by a clock that has been set back since."""
    return now_ms < window.until_ms <= now_ms + int(unique.ttl_s * 1000) + CLOCKS_MS
