"""Which server hears whose token."""

import pytest
from typer.testing import CliRunner

from greenroom.supervisors.cli.schedules import schedules_app


def test_our_own_token_does_not_go_to_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_ENV", "local")
    monkeypatch.setenv("GREENROOM_AUTH_SECRET", "x" * 40)
    monkeypatch.delenv("GREENROOM_WORK_TOKEN", raising=False)
    ran = CliRunner().invoke(schedules_app, ["pause", "nightly", "--server", "https://localhost:1"])
    assert (ran.exit_code, "GREENROOM_WORK_TOKEN: must be set" in ran.output) == (2, True)
