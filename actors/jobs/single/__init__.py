"""One job as an entity: `job:ID`, what is shown of it and what its people may do about it."""

from greenroom.actors.jobs.single.actor import SingleJob

__all__ = ["SingleJob"]
