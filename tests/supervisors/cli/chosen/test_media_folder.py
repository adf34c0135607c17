"""A folder of media that is not there."""

from pathlib import Path

import pytest

from greenroom.config.settings import load_settings
from greenroom.supervisors.cli.chosen.media_folder import require_media_folder
from greenroom.supervisors.cli.serving.ground import Ground
from greenroom.supervisors.cli.terminal.plainly import Trouble

pytestmark = pytest.mark.usefixtures("clean_surroundings")


def test_nothing_starts_without_it(tmp_path: Path) -> None:
    missing = load_settings(media=f"file://{tmp_path}/a%20disk", data_dir=tmp_path / "data", port=0)
    for start in (lambda: require_media_folder(missing), lambda: Ground(missing).__enter__()):
        with pytest.raises(Trouble, match=r"GREENROOM_MEDIA: .*/a disk is no folder"):
            start()
    assert not (tmp_path / "data").exists()
    (tmp_path / "a disk").mkdir()
    require_media_folder(missing)
    require_media_folder(load_settings(media="s3://bucket/prefix"))
    require_media_folder(load_settings())
