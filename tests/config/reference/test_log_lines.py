from pathlib import Path

import pytest

from greenroom.config.reference.log_lines import NotLiteral, lines_of


def module(root: Path, text: str) -> None:
    for package in ("config", "store", "actors", "transports", "supervisors"):
        (root / package).mkdir()
    (root / "store" / "one.py").write_text(text)


def test_what_all_the_places_of_an_event_say_is_put_together(tmp_path: Path) -> None:
    module(
        tmp_path,
        'log.info("began", folder=1)\nlog.error("began", pid=2, exc_info=error)\napp.logger.exception("page_failed")\n'
        'self._log.warning("lost", key=9, count=1)\nprint("began")\nerror("began")\n',
    )
    lines = lines_of(tmp_path)
    assert sorted(lines) == ["began", "lost", "page_failed"]
    began = lines["began"]
    assert (began.levels, began.files, began.fields) == (["info", "error"], ["store/one.py"], ["folder", "pid"])
    assert lines["lost"].fields == ["count"]
    assert began.traceback and lines["page_failed"].traceback


def test_an_event_that_is_computed_is_refused(tmp_path: Path) -> None:
    module(tmp_path, 'log.info("began" + name)\n')
    with pytest.raises(NotLiteral, match=r"store/one\.py:1"):
        lines_of(tmp_path)


@pytest.mark.parametrize(
    "code", ["say = log.info if calm else log.warning\n", "report(self._log.error)\n", "getattr(log, level)('began')\n"]
)
def test_a_method_by_another_name_is_refused(code: str, tmp_path: Path) -> None:
    module(tmp_path, code)
    with pytest.raises(NotLiteral, match=r"store/one\.py:1"):
        lines_of(tmp_path)
