"""What ffprobe and ffmpeg are told, and what they say."""

import shutil
from pathlib import Path

import pytest

from greenroom.actors.media.cutting import videos
from greenroom.actors.media.cutting.programs import Failed, Limits, run
from greenroom.actors.media.cutting.videos import Playable, Refusal, heights, played_s, probed
from tests.e2e.conftest import need
from tests.e2e.media.files import PLAYLIST, video

LIMITS = Limits(memory_bytes=1 << 30, run_s=60.0, file_bytes=1 << 26)


def said(width: int = 640, height: int = 360, duration: str = "2.5") -> str:
    video = f'{{"codec_type": "video", "width": {width}, "height": {height}}}'
    return f'{{"streams": [{{"codec_type": "audio"}}, {video}], "format": {{"duration": "{duration}"}}}}'


def test_what_a_video_is_or_why_it_is_not_taken() -> None:
    assert probed(said(), pixels_max=640 * 360, seconds_max=2.5) == Playable(640, 360, 2.5)
    for found, rule in (
        ("", "media.damaged"),
        ('{"streams": []}', "media.not_media"),
        ('{"streams": [{"codec_type": "audio"}], "format": {"duration": "1"}}', "media.not_media"),
        (said(width=641), "media.too_many_pixels"),
        (said(duration="2.6"), "media.too_long_to_play"),
        (said(duration="N/A"), "media.damaged"),
        (said(duration="inf"), "media.damaged"),
    ):
        with pytest.raises(Refusal) as refusal:
            probed(found, pixels_max=640 * 360, seconds_max=2.5)
        assert refusal.value.name == rule, found


def test_no_video_is_made_larger_and_one_is_made_at_least() -> None:
    assert heights(1080, (360, 720)) == [360, 720]
    assert heights(700, (360, 720)) == [360]
    assert heights(241, (360, 720)) == [240] and heights(1, (360, 720)) == [2]


def test_how_far_it_is() -> None:
    assert played_s("out_time_us=1500000") == 1.5
    assert played_s("out_time_us=N/A") is None and played_s("frame=3") is None


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    need("ffmpeg, as of Debian's package", shutil.which("ffmpeg") is not None)
    return video(tmp_path_factory.mktemp("videos"))


def transcode(source: Path, reader: str, to: Path) -> list[str]:
    return videos.transcode("ffmpeg", source, reader, to, height=120, pixels_max=1_000_000, seconds_max=9.0)


def looked(source: Path, reader: str = "mov") -> str:
    return run(videos.probe("ffprobe", source, reader), LIMITS, source.parent)


def test_a_video_becomes_one_that_every_browser_plays_without_what_its_camera_said(
    whole: bytes, tmp_path: Path
) -> None:
    source, made = tmp_path / "source", tmp_path / "made"
    source.write_bytes(whole)
    lines: list[str] = []
    command = transcode(source, "mov", made)
    run(command, LIMITS, tmp_path, lines.append)
    assert max(filter(None, map(played_s, lines))) >= 0.9
    assert probed(looked(made), pixels_max=1_000_000, seconds_max=9.0).width == 160
    run(videos.frame("ffmpeg", source, "mov", made, at_s=0.1, side=64, pixels_max=1_000_000), LIMITS, tmp_path)
    assert made.read_bytes().startswith(b"\xff\xd8\xff")


def test_one_that_was_cut_off_fails_instead_of_being_shown_in_part(whole: bytes, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(whole[: len(whole) * 2 // 3])
    command = videos.transcode(
        "ffmpeg", source, "mov", tmp_path / "made", height=120, pixels_max=1_000_000, seconds_max=9.0
    )
    with pytest.raises(Failed):
        run(command, LIMITS, tmp_path)


@pytest.mark.parametrize("reader", ["mov", "matroska"])
@pytest.mark.parametrize("kind", ["playlist", "concat"])
def test_what_names_other_files_is_read_as_what_it_is_not(whole: bytes, tmp_path: Path, reader: str, kind: str) -> None:
    """Where somebody had got a list past the look at its first bytes, no file that it names would be opened."""
    (tmp_path / "secret.mp4").write_bytes(whole)
    address = f"file:{tmp_path / 'secret.mp4'}"
    listed = {
        "playlist": PLAYLIST.replace(b"file:///etc/passwd", address.encode()),
        "concat": f"ffconcat version 1.0\nfile '{address}'\n".encode(),
    }[kind]
    source = tmp_path / "source.m3u8"
    source.write_bytes(listed)
    with pytest.raises(Failed):
        looked(source, reader)
    with pytest.raises(Failed):
        run(transcode(source, reader, tmp_path / "made"), LIMITS, tmp_path)
