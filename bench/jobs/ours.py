"""Our queues, as what is asked of them sees them."""

import time
from pathlib import Path

from bench.jobs.adders import Adders
from bench.load.adding import Adding
from bench.load.queueing import Queueing


class OurQueue:
    """See Worked and Keyed."""

    def __init__(self, asking: Queueing, adders: Adders, plan: Adding) -> None:
        self._asking = asking
        self._adders = adders
        self._plan = plan
        self.small = 0  # jobs that no adder has added

    def fill(self, jobs: int) -> float:
        """Jobs added each second."""
        self._asking.command("pause")
        return self._adders.add("bulk", jobs, self._plan)

    def work(self) -> float:
        return self._asking.work()

    def fill_key(self, jobs: int) -> None:
        self.fill(jobs)
        self._asking.command("resume")

    def add_small(self, keys: list[str], file: Path) -> None:
        self.small += len(keys)
        sent_ns = time.monotonic_ns()
        jobs = [{"job": "job.keyed", "arguments": {"key": key, "sent_ns": sent_ns, "file": str(file)}} for key in keys]
        self._asking.command("add_many", jobs=jobs)

    def finish(self) -> None:
        self._asking.wait_until_done()
