"""What is compiled ahead is what pytest looks for: else each process of a run compiles everything again."""

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

from tests.starting.rewriting import rewrite_each


def test_pytest_finds_what_was_compiled_ahead(
    pytestconfig: pytest.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "test_ahead.py"
    file.write_text("def test_it():\n    one = 1\n    assert one == 2\n")
    rewrite_each([tmp_path / "test_gone.py", file], pytestconfig)

    def compiles(*_: object) -> None:
        raise RuntimeError("it was compiled again")

    monkeypatch.setattr(rewrite, "_rewrite_test", compiles)
    hook = rewrite.AssertionRewritingHook(pytestconfig)
    spec = spec_from_file_location("test_ahead", file, loader=SourceFileLoader("test_ahead", str(file)))
    assert spec is not None
    module = module_from_spec(spec)
    hook.exec_module(module)
    with pytest.raises(AssertionError, match="assert 1 == 2"):
        module.test_it()


def test_what_can_not_be_compiled_is_left_to_whoever_collects_it(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    file = tmp_path / "test_wrong.py"
    file.write_text("def test_it(:\n")
    rewrite_each([file], pytestconfig)
    assert not list(tmp_path.glob("__pycache__/*"))
