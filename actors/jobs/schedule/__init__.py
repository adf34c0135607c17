"""Schedules: `schedule:NAME`, which starts a job at its times, and `schedules:all`, the book of them."""

from greenroom.actors.jobs.schedule.actor import Schedule, schedule_of
from greenroom.actors.jobs.schedule.book.actor import Book

__all__ = ["Book", "Schedule", "schedule_of"]
