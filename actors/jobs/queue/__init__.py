"""The queue of jobs: `queue:media`, the one owner of its order, its limits and who has what."""

from greenroom.actors.jobs.queue.actor import Queue, queue_of

__all__ = ["Queue", "queue_of"]
