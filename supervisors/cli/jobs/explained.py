"""What `greenroom explain` adds for `job:ID` and `queue:NAME`: how they stand, in words, as their server says it."""

import time

from greenroom.config.settings import Settings
from greenroom.supervisors.cli.jobs.jobs import job_of
from greenroom.supervisors.cli.jobs.server import Server, staff_token
from greenroom.supervisors.cli.jobs.words import Lines, job_words, queue_words
from greenroom.supervisors.cli.terminal.plainly import Trouble


def words_of(entity: str, url: str, token: str | None, settings: Settings, *, is_ours: bool) -> Lines:
    """[] of other entities. `token`: None: one is signed where the server `is_ours`, and has our settings."""
    kind, _, key = entity.partition(":")
    if kind not in ("job", "queue"):
        return []
    try:
        server = Server(url, token if token is not None else staff_token(settings, None if is_ours else url))
        now_ms = time.time() * 1000
        if kind == "queue":
            return queue_words(server.view("queue", key), now_ms)
        return job_words(*job_of(server, key), now_ms)
    except Trouble as error:
        return [(kind, f"not told: {error}")]
