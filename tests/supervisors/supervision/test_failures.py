"""What went wrong with entities is remembered, within bounds."""

import pytest

from greenroom.supervisors.supervision import failures
from greenroom.supervisors.supervision.failures import EACH_MAX, ERROR_CHARACTERS_MAX, Failures


def test_of_one_entity_the_last_ones_are_kept_the_newest_first() -> None:
    noted = Failures(lambda: 3.0)
    for number in range(EACH_MAX + 2):
        noted.note("room:a", "restarted", f"error {number}")
    noted.note("room:b", "failed", "x" * 10_000)
    assert [one.error for one in noted.of("room:a")] == [f"error {number}" for number in range(EACH_MAX + 1, 1, -1)]
    assert len(noted.of("room:b")[0].error) == ERROR_CHARACTERS_MAX
    assert noted.of("room:c") == []
    assert [one.entity for one in noted.newest(10)] == ["room:b", "room:a"]
    assert [one.entity for one in noted.newest(1)] == ["room:b"]


@pytest.mark.bound("entities whose failures are remembered for whoever looks")
def test_of_many_entities_those_that_failed_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "ENTITIES_MAX", 2)
    noted = Failures(lambda: 0.0)
    for entity in ("room:a", "room:b", "room:a", "room:c"):
        noted.note(entity, "failed", "x")
    assert [one.entity for one in noted.newest(10)] == ["room:c", "room:a"]
