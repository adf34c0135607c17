"""The desk of a queue: which jobs there are, who has what, and what is to be written of it."""

from greenroom.actors.jobs.queue.desk.attempts import LOST_MAX
from greenroom.actors.jobs.queue.desk.desk import Desk, Report
from greenroom.actors.jobs.queue.desk.endings import RESULT_MAX
from greenroom.actors.jobs.queue.desk.hands import LEASE_MS, Hand, Held
from greenroom.actors.jobs.queue.desk.known import ARGUMENTS_BYTES_MAX

__all__ = ["ARGUMENTS_BYTES_MAX", "LEASE_MS", "LOST_MAX", "RESULT_MAX", "Desk", "Hand", "Held", "Report"]
