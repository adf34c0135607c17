"""Pictures that are read, and that are not."""

import errno
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from greenroom.actors.media.cutting.pictures import cut
from tests.e2e.media.files import picture


def made(folder: Path, data: bytes, reader: str = "JPEG", *, pixels_max: int = 10_000_000, **sides: int) -> Any:
    source = folder / "source"
    source.write_bytes(data)
    outputs = [{"path": str(folder / name), "side": side} for name, side in sides.items()]
    return cut({"source": str(source), "reader": reader, "pixels_max": pixels_max, "outputs": outputs})


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP"])
def test_it_is_made_smaller_and_never_larger(tmp_path: Path, form: str) -> None:
    answer = made(tmp_path, picture(400, 200, form), form, small=100, large=1_000)
    assert answer == {"width": 400, "height": 200, "outputs": [[100, 50], [400, 200]]}
    with Image.open(tmp_path / "small") as small:
        assert (small.format, small.size) == ("WEBP", (100, 50))


def test_what_the_camera_has_said_is_not_handed_on_but_which_way_is_up(tmp_path: Path) -> None:
    taken, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # turned
    exif[0x010F] = "a camera"
    exif.get_ifd(0x8825)[1] = "N"
    Image.new("RGB", (40, 20)).save(taken, "JPEG", exif=exif)
    assert made(tmp_path, taken.getvalue(), small=100)["outputs"] == [[20, 40]]
    with Image.open(tmp_path / "small") as small:
        assert not small.getexif() and "exif" not in small.info


def test_what_can_be_seen_through_stays_so(tmp_path: Path) -> None:
    clear = io.BytesIO()
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(clear, "PNG")
    made(tmp_path, clear.getvalue(), "PNG", small=8)
    with Image.open(tmp_path / "small") as small:
        assert small.mode == "RGBA"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP"])
def test_one_that_was_cut_off_is_damaged(tmp_path: Path, form: str) -> None:
    whole = picture(400, 300, form)
    answer = made(tmp_path, whole[: len(whole) * 2 // 3], form)
    assert answer["refused"] == "media.damaged" and "can't be read to its end" in answer["detail"]


def test_one_that_only_begins_as_a_picture_is_damaged(tmp_path: Path) -> None:
    assert made(tmp_path, b"\xff\xd8\xff\xe0 no picture at all")["refused"] == "media.damaged"
    assert made(tmp_path, picture(8, 8, "PNG"), "JPEG")["refused"] == "media.damaged", "read as nothing else"


@pytest.mark.bound("pixels of a picture, and of a frame of a video")
def test_one_with_too_many_pixels_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    assert made(tmp_path, picture(100, 100), pixels_max=10_000)["width"] == 100
    for form in ("JPEG", "PNG"):
        answer = made(tmp_path, picture(101, 100, form)[:2_000], form, pixels_max=10_000)
        assert answer["refused"] == "media.too_many_pixels", "though it was cut off: nothing of it was read"


def test_a_bomb_is_told_by_what_it_says_of_itself(tmp_path: Path) -> None:
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    assert len(bomb.getvalue()) < 100_000
    assert made(tmp_path, bomb.getvalue(), "PNG", pixels_max=50_000_000)["refused"] == "media.too_many_pixels"


def test_what_is_wrong_here_says_nothing_of_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImportError, match="reads no JPEG2001"):
        made(tmp_path, picture(8, 8), "JPEG2001")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Image, "open", full)
    with pytest.raises(OSError, match="Input/output"):
        made(tmp_path, picture(8, 8))
