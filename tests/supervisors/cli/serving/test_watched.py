"""Which files a reload watches, and what it takes for a change."""

import os
from pathlib import Path

import pytest

from greenroom.supervisors.cli.serving import watched
from greenroom.supervisors.cli.serving.watched import Watched, changed, folders_to_watch
from greenroom.supervisors.cli.terminal.plainly import Trouble


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def seen(folder: Path) -> set[str]:
    return {os.path.relpath(path, folder.resolve()) for path in Watched([folder]).look()}


def test_code_and_settings_are_watched_and_what_a_server_never_imports_is_not(tmp_path: Path) -> None:
    write(tmp_path, "shop.py", "deep/er/prices.py", ".env")
    write(tmp_path, "test_shop.py", "conftest.py", "tests/anything.py", "README.md", "deep/data.json")
    write(tmp_path, ".git/hook.py", "node_modules/x.py", "__pycache__/y.py", "env/pyvenv.cfg", "env/lib/z.py")
    assert seen(tmp_path) == {"shop.py", "deep/er/prices.py", ".env"}


def test_a_file_that_came_went_or_was_written_has_changed(tmp_path: Path) -> None:
    write(tmp_path, "stays.py", "goes.py", "grows.py", "is_replaced.py")
    watching = Watched([tmp_path])
    before = watching.look()
    assert changed(before, watching.look()) == []
    (tmp_path / "goes.py").unlink()
    (tmp_path / "grows.py").write_text("1")
    write(tmp_path, "comes.py", "aside.py")
    stat = (tmp_path / "is_replaced.py").stat()
    os.utime(tmp_path / "aside.py", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (tmp_path / "aside.py").rename(tmp_path / "is_replaced.py")
    names = [Path(path).name for path in changed(before, watching.look())]
    assert names == ["comes.py", "goes.py", "grows.py", "is_replaced.py"]


def test_a_home_folder_is_refused_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "ENTRIES_MAX", 10)
    write(tmp_path, *(f"photos/{number}.jpg" for number in range(9)))
    assert seen(tmp_path) == set()  # nine files and their folder
    write(tmp_path, "photos/9.jpg")
    with pytest.raises(Trouble, match=str(tmp_path.resolve())) as told:
        Watched([tmp_path]).look()
    assert told.value.status == 2


def test_entities_elsewhere_and_our_checkout_are_watched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, elsewhere, ours = tmp_path / "here", tmp_path / "elsewhere", tmp_path / "ours"
    write(here, "shop.py")
    write(elsewhere, "depot/__init__.py", "depot/store.py", "site-packages/wheel_of_theirs/__init__.py")
    monkeypatch.syspath_prepend(str(elsewhere))
    monkeypatch.syspath_prepend(str(elsewhere / "site-packages"))
    monkeypatch.syspath_prepend(str(here))
    entities = ["shop:Shop", "depot.store", "wheel_of_theirs", "no_such_module"]
    packages = [ours / package for package in ("config", "store", "actors", "transports", "supervisors")]
    assert folders_to_watch(entities, here=here, greenroom=ours) == [here, elsewhere / "depot", *packages]
    assert folders_to_watch((), here=ours, greenroom=ours) == [ours]
    assert folders_to_watch((), here=here, greenroom=tmp_path / "site-packages" / "greenroom") == [here]
