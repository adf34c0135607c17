"""What a command refuses to start with."""

import pytest

from greenroom import Job, Work
from greenroom.actors.jobs.installed import Jobs
from greenroom.store.jobs.sealing import keys_for
from greenroom.supervisors.cli.chosen.kinds import require_job_keys
from greenroom.supervisors.cli.terminal.plainly import Trouble


class Pay(Job, queue="money", tag="job.pay", encrypted=True):
    async def run(self, work: Work) -> None: ...


def test_one_that_is_encrypted_takes_a_key() -> None:
    with keys_for(), pytest.raises(Trouble, match=r"GREENROOM_JOBS_KEYS: must be set, for job\.pay is encrypted"):
        require_job_keys(Jobs([Pay]))
    with keys_for(bytes(32)):
        require_job_keys(Jobs([Pay]))
    with keys_for():
        require_job_keys(Jobs())
