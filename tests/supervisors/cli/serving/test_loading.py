"""What is loaded is not looked through for garbage, then or later; what comes afterwards is."""

import gc
from collections.abc import Iterator

import pytest

from greenroom.supervisors.cli.serving.loading import loading


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    yield
    gc.enable()


@pytest.mark.parametrize("collects", [True, False])
def test_it_collects_afterwards_as_it_did_before(collects: bool) -> None:
    (gc.enable if collects else gc.disable)()
    frozen = gc.get_freeze_count()
    with pytest.raises(ImportError), loading():
        kept: list[list[int]] = [[] for _ in range(1_000)]
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled() == collects
    assert gc.get_freeze_count() >= frozen + len(kept)
