"""A sink of shows that writes what comes into a file, for tests of servers."""

import os
from pathlib import Path

from greenroom import Batch, Sink
from tests.actors.views.shows import Clapped


class ToFile(Sink):
    """A line for each event: entity and offset."""

    of = (Clapped,)

    async def deliver(self, batch: Batch) -> None:
        with Path(os.environ["GREENROOM_TEST_SINK_FILE"]).open("a", encoding="utf-8") as lines:  # noqa: ASYNC230
            lines.writelines(f"{of.entity} {of.offset}\n" for _, of in batch)
