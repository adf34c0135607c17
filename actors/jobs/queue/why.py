"""Why a job is not under way, in words."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from itertools import islice

from greenroom.actors.jobs.limits import Rate
from greenroom.actors.jobs.queue.order import Order
from greenroom.actors.jobs.queue.waiting import Waiting

NAMED_MAX = 10  # of those that it waits for
LOOKED_AT_MAX = 10_000  # jobs of its lane that are compared with it


def why(order: Order, job: Waiting, now_ms: int, waiting_workers: Collection[frozenset[str] | None]) -> str:
    """Of one that is in `order`, of a queue that is not paused. `waiting_workers`: what those know that wait for jobs;
    None: every class."""
    if job.due_ms > now_ms:
        said = f"tried again, attempt {job.attempts + 1}," if job.attempts else "delayed until"
        return f"{said} {moment(job.due_ms)}"
    limits = order.limits
    weight = job.weight
    counts = f", and it counts as {weight}" if weight > 1 else ""
    if order.load + order.load_of(weight) > order.concurrency:
        return f"the queue's limit: {order.load} of {order.concurrency} are under way{counts}"
    if order.tokens(now_ms) < order.tokens_of(weight):
        assert limits.rate is not None
        return f"the queue's rate: {rate_in_words(limits.rate)}{counts}, the next at {moment(order.token_ms(weight))}"
    key = order.keys.get(job.partition)
    if key is not None:
        name = f"its key {job.partition!r}" if job.partition else "jobs without a key"
        if key.load + min(weight, key.most) > key.most:
            return f"the limit of {name}: {key.load} of {key.most} are under way{counts}"
        meter = order.key_meter
        if meter is not None and meter.tokens(key.spent, now_ms) < (needs := min(weight, meter.burst)):
            assert limits.per_key_rate is not None
            rate = limits.per_key_rate
            token = moment(meter.next_ms(key.spent, needs))
            return f"the rate of {name}: {rate_in_words(rate)}{counts}, the next at {token}"
        if order.blocks and key.tried and not (job.attempts or job.lost):
            return f"behind {key.tried} of {name} that are tried again"
    if waiting_workers and not any(knows is None or job.job in knows for knows in waiting_workers):
        return f"workers wait, and none of them knows {job.job!r}"
    ahead, is_all = _ahead(order, job)
    if ahead:
        return f"behind {ahead}{'' if is_all else ' or more'} of its key and class; no worker is free for it"
    return "no worker is free for it"


def rate_in_words(rate: Rate) -> str:
    """And how it is counted, where that is no bucket."""
    window = f" of a {rate.window} window" if rate.window is not None else ""
    return f"{rate.n} in {rate.per_s:g} s{window}"


def why_blocked(open_: Sequence[str]) -> str:
    """Of one that waits for these."""
    named = ", ".join(open_[:NAMED_MAX])
    return f"it waits for {len(open_)} others: {named}{', …' if len(open_) > NAMED_MAX else ''}"


def _ahead(order: Order, job: Waiting) -> tuple[int, bool]:
    """How many of its lane go before it, of those that are looked at; and are that all?"""
    one = order.classes.get(job.job)
    lane = one.lanes.get(job.partition) if one is not None else None
    if lane is None:
        return 0, True
    looked_at = islice(lane.fresh, LOOKED_AT_MAX)
    return sum(other < job and not other.token for other in looked_at), len(lane.fresh) <= LOOKED_AT_MAX


def moment(ms: int) -> str:
    """As people write it, to the second."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"
