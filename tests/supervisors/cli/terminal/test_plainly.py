"""What the person at the terminal is told: a line and a status; of their own code, where it went wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from greenroom.config.settings import SettingsError, load_settings
from greenroom.supervisors.cli.chosen.kinds import installed_kinds
from greenroom.supervisors.cli.terminal.plainly import Trouble, told_plainly


def told(error: Exception, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended, told_plainly():
        raise error
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().err


def test_an_error_is_a_line_and_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(Trouble("no such thing"), capsys) == (1, "greenroom: no such thing\n")
    assert told(Trouble("say which", status=2), capsys) == (2, "greenroom: say which\n")
    assert told(SettingsError(["GREENROOM_PORT: wrong"]), capsys) == (2, "greenroom: GREENROOM_PORT: wrong\n")


def test_one_error_inside_groups_is_that_error(capsys: pytest.CaptureFixture[str]) -> None:
    grouped = ExceptionGroup("outer", [ExceptionGroup("inner", [Trouble("down there")])])
    assert told(grouped, capsys) == (1, "greenroom: down there\n")


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(KeyError), told_plainly():
        raise KeyError("ours")


@pytest.fixture
def install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str | None], str]:
    """Install the entities of a module with this text, which fails; what the person is told."""

    def install(text: str | None) -> str:
        if text is not None:
            (tmp_path / "their_entity.py").write_text(text)
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(str(tmp_path))
        with pytest.raises(SystemExit) as ended, told_plainly():
            installed_kinds(load_settings(entities="their_entity"))
        assert ended.value.code == 2
        return capsys.readouterr().err

    return install


def test_an_entity_that_fails_to_import_shows_its_line_and_none_of_ours(install: Callable[[str | None], str]) -> None:
    shown = install("first = 1\nsecond = missing\n")
    assert 'their_entity.py", line 2' in shown and "NameError" in shown
    assert "kinds.py" not in shown and "importlib" not in shown
    assert shown.splitlines()[-1].startswith("greenroom: GREENROOM_ENTITIES: ")


def test_a_syntax_error_shows_its_line(install: Callable[[str | None], str]) -> None:
    shown = install("def (:\n")
    assert 'their_entity.py", line 1' in shown and "SyntaxError" in shown


def test_a_module_that_is_not_there_needs_no_traceback(install: Callable[[str | None], str]) -> None:
    shown = install(None)
    assert shown.startswith("greenroom: GREENROOM_ENTITIES: ") and "Traceback" not in shown
