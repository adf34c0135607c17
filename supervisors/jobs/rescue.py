"""Rescue: how a queue's node knows that a worker of its own host has ended, before that worker's lease has."""

from greenroom.supervisors.cluster.evidence import has_ended, this_host, this_process


def this_worker() -> str:
    """The process that a worker here runs in, as `host/process`; "" where that can't be told."""
    host, process = this_host(), this_process()
    return f"{host}/{process}" if host and process else ""


def worker_has_ended(named: str) -> bool:
    """Is it certain that the process, so named, runs no more? False for those of other hosts."""
    host, _, process = named.rpartition("/")
    return has_ended(host, process)
