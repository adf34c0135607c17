"""What `explain` adds for jobs and queues."""

import pytest

from greenroom.config.settings import load_settings
from greenroom.supervisors.cli.jobs.explained import words_of


def test_of_other_entities_nothing_and_of_a_server_that_is_away_that_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GREENROOM_WORK_TOKEN", raising=False)
    settings = load_settings()
    assert words_of("room:lobby", "http://127.0.0.1:1", "t", settings, is_ours=True) == []
    ((name, text),) = words_of("queue:mail", "http://127.0.0.1:1", "t", settings, is_ours=True)
    assert name == "queue" and text.startswith("not told: http://127.0.0.1:1")
    ((_, text),) = words_of("job:a", "http://127.0.0.1:1", None, settings, is_ours=False)
    assert "GREENROOM_WORK_TOKEN" in text
