"""Scraping: the metrics of this node, and of those that share its address, where one answers for all of them.

Who scrapes an address meets one node of several by chance, and another one the next time: counters would seem to jump,
and no rate would be right. So whichever is met asks the others, over the links, and each one's samples bear its number,
which outlives its process. Of one that does not answer in time nothing is shown in that scrape, and that is counted.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec
import trio

from greenroom.config.telemetry.instruments import Instruments
from greenroom.store.ownership.referee import Member
from greenroom.supervisors.admin.asked import ANSWER_S, Ask
from greenroom.supervisors.admin.told import AboutMetrics

HELP = b"# HELP "  # with which what is said of a metric begins


class Scraping:
    """Of one node."""

    def __init__(
        self,
        *,
        own: Callable[[], bytes],
        me: int,
        members: Callable[[], Sequence[Member]],
        ask: Ask,
        shares_address: bool,
        instruments: Instruments,
    ) -> None:
        """`own` gives this node's metrics as Prometheus text; `me` is its incarnation."""
        self.own = own
        self._me = me
        self._members = members
        self._ask = ask
        self._shares_address = shares_address
        self._instruments = instruments

    async def scrape(self) -> bytes:
        """Prometheus text."""
        if not self._shares_address:
            return self.own()
        found: dict[int, bytes] = {}
        question = msgspec.json.encode(AboutMetrics())

        async def ask(node: int) -> None:
            text = await self._ask(node, question, ANSWER_S)
            if text is not None:
                found[node] = text

        others = beside(self._members(), self._me)
        async with trio.open_nursery() as nursery:  # owner: this call
            for node in others:
                nursery.start_soon(ask, node)
        self._instruments.silent_nodes = len(others) - len(found)
        own = self.own()
        self._instruments.silent_nodes = 0  # of this scrape alone: others may answer the next ones
        return merged((own, *(found[node] for node in others if node in found)))


def beside(members: Iterable[Member], me: int) -> list[int]:
    """The others at that node's address: on its host, for other hosts may call theirs by the same name."""
    known = {one.incarnation: one for one in members}
    own = known.get(me)
    if own is None or not own.host:
        return []
    return [node for node, one in known.items() if node != me and (one.url, one.host) == (own.url, own.host)]


def merged(texts: Sequence[bytes]) -> bytes:
    """One text of several: each metric is to be there once, with the samples of all."""
    heads: dict[bytes, bytes] = {}
    samples: dict[bytes, list[bytes]] = {}
    for text in texts:
        name, is_new = b"", False
        for line in text.splitlines(keepends=True):
            if line.startswith(HELP):
                name = line.split(b" ", 3)[2]
                is_new = name not in samples
                samples.setdefault(name, [])
            if not line.startswith(b"#"):
                samples[name].append(line)
            elif is_new:
                heads[name] = heads.get(name, b"") + line
    return b"".join(head + b"".join(samples[name]) for name, head in heads.items())
