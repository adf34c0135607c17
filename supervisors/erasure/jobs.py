"""Jobs of a user who is forgotten: nobody's from then on, and their arguments are without what the class declares to be
about the user. Results, errors and steps are of no declared type: they are counted, and go as finished jobs do."""

from typing import Any

import msgspec

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.personal.redaction import Redaction, shape_of
from greenroom.store.erasure.jobs_of_user import NO_ID, TABLES, FoundJob, JobsOfUser
from greenroom.store.jobs.sealing import CannotOpen


class RewritingJobs:
    """All of it raises StoreUnavailable."""

    def __init__(self, rows: JobsOfUser, jobs: Jobs, redaction: Redaction, user: str, theirs: list[str]) -> None:
        """`theirs`: names of entities that are the user's."""
        self._rows = rows
        self._jobs = jobs
        self._redaction = redaction
        self._user = user
        self._theirs = theirs
        self._shapes: dict[str, Any] = {}

    async def run(self) -> int:
        """One pass over all jobs. How many were to be written anew."""
        written = 0
        for table in TABLES:
            after: str | None = NO_ID
            while after is not None:
                found, after = await self._rows.find(table, after)
                pairs = [(one, anew) for one in found if (anew := self.anew(one)) != one]
                if pairs:
                    await self._rows.write(table, pairs)
                written += len(pairs)
        return written

    def anew(self, job: FoundJob) -> FoundJob:
        """Without the user; as it is where nothing of it says that it is about them."""
        options = msgspec.json.decode(job.options) if job.options is not None else {}
        is_theirs = options.get("by") == self._user
        return job._replace(
            arguments=self._arguments(job, is_theirs),
            options=self._options(job, options),
            partition=self._redaction.alias if job.partition == self._user else job.partition,
        )

    def _options(self, job: FoundJob, options: dict[str, Any]) -> bytes | None:
        left = dict(options)
        if left.get("by") == self._user:
            del left["by"]
        if left.get("origin") in self._theirs:  # it is gone, and hears nothing
            left.pop("origin")
            left.pop("about", None)
        if left == options:
            return job.options
        return msgspec.json.encode(left) if left else None

    def _arguments(self, job: FoundJob, is_theirs: bool) -> bytes:
        installed = self._jobs.get(job.job)
        if installed is None:
            return job.arguments
        if job.job not in self._shapes:
            self._shapes[job.job] = shape_of(installed.job)
        try:
            value = msgspec.json.decode(installed.opened(job.arguments, job.id))
        except (msgspec.DecodeError, CannotOpen):
            return job.arguments  # of others, who may store anything; it is counted
        made = self._redaction.redact(self._shapes[job.job], value, is_about=is_theirs)
        return job.arguments if made == value else installed.sealed(msgspec.json.encode(made), job.id)
