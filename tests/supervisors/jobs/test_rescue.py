"""Who has ended, of the workers of this host."""

import subprocess
import sys

from greenroom.supervisors.jobs.rescue import this_worker, worker_has_ended

SAYS = "from greenroom.supervisors.jobs.rescue import this_worker; print(this_worker())"


def test_a_process_of_this_host_that_has_ended_is_known_by_its_name() -> None:
    ended = subprocess.run([sys.executable, "-c", SAYS], capture_output=True, text=True, check=True).stdout.strip()
    assert worker_has_ended(ended)
    assert not worker_has_ended(this_worker())


def test_of_others_nothing_is_certain() -> None:
    assert not worker_has_ended("") and not worker_has_ended("elsewhere/1 5") and not worker_has_ended("nonsense")
