"""What ffprobe and ffmpeg are told, and what they say."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from greenroom.actors.media.cutting import videos
from greenroom.actors.media.cutting.programs import Failed, Limits, run
from greenroom.actors.media.cutting.videos import Playable, Refusal, heights, played_s, probed
from tests.e2e.conftest import need
from tests.e2e.media.files import video

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


def test_a_list_of_other_files_is_not_read_even_by_its_own_reader(whole: bytes, tmp_path: Path) -> None:
    """Where somebody had got one past the look at its first bytes."""
    (tmp_path / "secret.mp4").write_bytes(whole)
    source = tmp_path / "source"
    source.write_bytes(b"ffconcat version 1.0\nfile secret.mp4\n")
    command = transcode(source, "concat", tmp_path / "made")
    run(without(command, "-format_whitelist"), LIMITS, tmp_path)
    with pytest.raises(Failed):
        run(command, LIMITS, tmp_path)


def test_a_video_whose_frames_are_in_another_file_shows_none_of_that(tmp_path: Path) -> None:
    """QuickTime can say so, in a list of references to data."""
    need("ffmpeg, as of Debian's package", shutil.which("ffmpeg") is not None)
    coded = ("-f", "lavfi", "-i", "testsrc=duration=1:size=160x120:rate=25", "-c:v", "libx264", "-pix_fmt", "yuv420p")
    subprocess.run(["ffmpeg", "-v", "error", *coded, "-f", "mov", tmp_path / "secret.mov"], check=True)
    source = tmp_path / "source"
    source.write_bytes(with_its_frames_in((tmp_path / "secret.mov").read_bytes(), "secret.mov"))
    command = transcode(source, "mov", tmp_path / "made")
    at = command.index("-f")
    lines: list[str] = []
    run([*command[:at], "-enable_drefs", "1", *command[at:]], LIMITS, tmp_path, lines.append)
    assert max(filter(None, map(played_s, lines))) >= 0.5, "it would be shown, where that was let"
    with pytest.raises(Failed):
        run(command, LIMITS, tmp_path)


def test_a_codec_that_is_not_on_the_list_is_not_decoded(tmp_path: Path) -> None:
    need("ffmpeg, as of Debian's package", shutil.which("ffmpeg") is not None)
    source = tmp_path / "source"
    coded = ("-f", "lavfi", "-i", "testsrc=duration=0.2:size=160x120:rate=25", "-c:v", "ffv1", "-f", "matroska")
    subprocess.run(["ffmpeg", "-v", "error", *coded, source], check=True)
    command = transcode(source, "matroska", tmp_path / "made")
    run(without(command, "-codec_whitelist"), LIMITS, tmp_path)
    with pytest.raises(Failed):
        run(command, LIMITS, tmp_path)


def without(command: list[str], option: str) -> list[str]:
    at = command.index(option)
    return [*command[:at], *command[at + 2 :]]


def with_its_frames_in(movie: bytes, other: str) -> bytes:
    """The same, but all of its frames are nothing here, and said to be in another file beside it."""
    name = other.encode()
    path = struct.pack(">HH", 2, len(name)) + name + b"\0" * (len(name) % 2)
    alias = (
        bytes(10)
        + bytes([4])
        + b"disk".ljust(27, b"\0")
        + bytes(12)
        + bytes([len(name)])
        + name.ljust(63, b"\0")
        + bytes(16)
        + struct.pack(">HH", 1, 1)
        + bytes(16)
        + path
        + struct.pack(">hH", -1, 0)
    )
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    at = movie.index(b"dref") + 12  # behind its name, version and flags, and number of entries
    (was,) = struct.unpack_from(">I", movie, at)
    made = bytearray(movie[:at] + entry + movie[at + was :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        size_at = made.rindex(box, 0, at) - 4
        (size,) = struct.unpack_from(">I", made, size_at)
        struct.pack_into(">I", made, size_at, size + len(entry) - was)
    begin = made.index(b"mdat") + 4
    (size,) = struct.unpack_from(">I", made, begin - 8)
    made[begin : begin + size - 8] = bytes(size - 8)
    return bytes(made)
