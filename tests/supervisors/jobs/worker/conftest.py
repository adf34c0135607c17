import pytest

from tests.supervisors.jobs.worker.naps import Nap


@pytest.fixture(autouse=True)
def nothing_begun() -> None:
    Nap.begun.clear()
