"""Sagas as operators see them, and what they can be told."""

from collections.abc import Callable
from typing import Any

import pytest

from greenroom import Ask, Done, Refused, Saga
from greenroom.actors.model.kinds import Kinds
from greenroom.supervisors.admin.jobs.sagas_shown import check_saga, command_of, saga_shown
from tests.supervisors.admin.jobs.studio import Hall, Open, Premiere

VIEW: dict[str, Any] = {"status": "stuck", "by": "hush", "steps": [{"name": "book"}], "log": ["hush"]}


class Retry(Ask[Done], tag="saga.retry"):
    """Of a release whose sagas take it."""


class Cancel(Ask[Done], tag="saga.cancel"):
    """Likewise."""


KINDS = Kinds([Premiere, Hall])


@pytest.fixture
def takes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The saga takes these commands, and no others."""
    return lambda *commands: monkeypatch.setattr(Premiere, "commands", (Open, *commands))


def test_what_is_no_saga_is_none() -> None:
    check_saga(KINDS, "premiere:a")
    with pytest.raises(Refused, match="no saga"):
        check_saga(KINDS, "hall:a")
    assert issubclass(Premiere, Saga)


def test_it_can_be_told_what_its_kind_takes_and_what_is_of_use_now(takes: Callable[..., None]) -> None:
    takes()
    assert saga_shown(KINDS, "premiere:a", VIEW, full=True)["can"] == []
    takes(Retry, Cancel)
    for status, can in (("stuck", ["retry"]), ("running", ["retry", "cancel"]), ("done", [])):
        assert saga_shown(KINDS, "premiere:a", {"status": status}, full=True)["can"] == can
    takes(Retry)
    assert command_of(KINDS, "premiere:a", "retry") is Retry
    for step in ("cancel", "fork", "", "open"):
        with pytest.raises(Refused, match="told to"):
            command_of(KINDS, "premiere:a", step)


def test_a_viewer_sees_its_steps_and_neither_its_log_nor_who_began_it() -> None:
    shown = saga_shown(KINDS, "premiere:a", VIEW, full=False)
    assert shown["view"] == {"status": "stuck", "steps": [{"name": "book"}]}
    assert "hush" not in str(shown)
