"""The jobs of media, called as a worker's process calls them, over a folder of objects."""

import hashlib
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.work import Cancel, Discard
from greenroom.actors.media import jobs
from greenroom.actors.media.cutting import pictures, programs
from greenroom.actors.media.cutting.programs import TookTooMuch, Unable
from greenroom.actors.media.jobs import MEDIA_JOBS, Check, Clean, Looked, Render, Tools, judged
from greenroom.actors.media.messages import Rendition
from greenroom.store.objects.objects import ObjectMissing, Objects
from tests.e2e.conftest import need
from tests.e2e.media.files import PLAYLIST, picture, video

ID, OTHER = "0123456789abcdef01234567", "76543210fedcba9876543210"
MADE_MAX = 10_000_000


class Noted:
    """A ThreadWork that remembers, and cancels at a share."""

    def __init__(self, cancel_at: float = 2.0) -> None:
        self.shares: list[float] = []
        self._cancel_at = cancel_at

    def progress(self, share: float, note: str = "") -> None:
        self.shares.append(share)
        if share >= self._cancel_at:
            raise Cancel


@pytest.fixture
def objects(clean_surroundings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Objects:
    monkeypatch.setenv("GREENROOM_MEDIA", f"file://{tmp_path}/objects")
    (tmp_path / "objects").mkdir()
    return Objects(f"file://{tmp_path}/objects")


def uploaded(objects: Objects, data: bytes, **fields: Any) -> Check:
    """In two parts."""
    half = len(data) // 2
    parts = {f"{ID}/parts/0": data[:half], f"{ID}/parts/1": data[half:]}
    for name, part in parts.items():
        objects.put(name, part)
    return Check(media=ID, parts=list(parts), **{"size": len(data), **fields})


def looked(check: Check) -> Looked:
    return check.run(Noted())


def whole(objects: Objects, name: str) -> bytes:
    return b"".join(objects.pieces(name))


def test_they_may_be_installed() -> None:
    assert len(Jobs(MEDIA_JOBS)) == 3


def test_a_picture_is_put_together_looked_at_and_cut(objects: Objects) -> None:
    data = picture(1000, 500)
    digest = hashlib.sha256(data).hexdigest()
    found = looked(uploaded(objects, data, digest=digest, said="image/png"))
    original = found.original
    assert original is not None and whole(objects, original.object) == data
    assert (original.type, original.width, original.height, original.digest) == ("image/jpeg", 1000, 500, digest)
    work = Noted()
    rendered = Render(media=ID, original=original, made_max=MADE_MAX).run(work)
    sizes = {one.name: (one.width, one.height, one.type) for one in rendered.renditions}
    webp = "image/webp"
    assert sizes == {"thumb": (320, 160, webp), "medium": (800, 400, webp), "large": (1000, 500, webp)}
    for one in rendered.renditions:
        assert hashlib.sha256(whole(objects, one.object)).hexdigest() == one.digest and one.size > 0
    assert Render(media=ID, original=original, made_max=MADE_MAX).run(work) == rendered, "again it is the same"


@pytest.mark.parametrize(
    ("data", "fields", "rule"),
    [
        (picture(), {"size": 7}, "media.incomplete"),
        (picture(), {"digest": "0" * 64}, "media.checksum"),
        (picture(), {"said": "video/mp4"}, "media.wrong_type"),
        (PLAYLIST, {"said": "video/mp4"}, "media.not_media"),
        (b"plain text, at any rate no picture", {}, "media.not_media"),
        (picture()[:9_000], {}, "media.damaged"),
        (b"\xff\xd8\xff and no more", {}, "media.damaged"),
    ],
    ids=["short", "another digest", "no video", "a playlist", "a text", "cut off", "a head alone"],
)
def test_what_is_wrong_with_a_file_is_the_result(
    objects: Objects, data: bytes, fields: dict[str, Any], rule: str
) -> None:
    found = looked(uploaded(objects, data, **fields))
    assert (found.refused, found.original) == (rule, None) and found.detail
    assert not [name for name in objects.names(f"{ID}/") if "/parts/" not in name]


def test_a_picture_that_takes_too_much_is_refused_by_name(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_MEDIA_PIXELS_MAX", "100")
    assert looked(uploaded(objects, picture())).refused == "media.too_many_pixels"


def test_what_a_program_says_of_the_file_is_said_by_name() -> None:
    def attempt() -> Looked:
        raise TookTooMuch("all of the time")

    assert judged(attempt, Looked).refused == "media.too_heavy"


def test_a_storage_that_fails_is_a_failed_attempt(objects: Objects) -> None:
    check = uploaded(objects, picture())
    objects.delete(check.parts[1])
    with pytest.raises(ObjectMissing):
        looked(check)


VIDEO = b"\0\0\0\x20ftypisom" + bytes(60)


def test_where_no_videos_are_taken_one_is_refused_clearly(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_MEDIA_FFMPEG", "none")
    found = looked(uploaded(objects, VIDEO))
    assert found.refused == "media.no_videos" and "GREENROOM_MEDIA_FFMPEG" in found.detail


def test_a_worker_that_lacks_ffmpeg_says_nothing_of_the_file(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_MEDIA_FFMPEG", "no-such-program")
    with pytest.raises(Unable, match="no-such-program"):
        looked(uploaded(objects, VIDEO))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    need("ffmpeg, as of Debian's package", shutil.which("ffmpeg") is not None)
    return video(tmp_path_factory.mktemp("films"), width=400, height=400)


def test_a_video_is_cut_with_its_progress_and_a_picture(objects: Objects, film: bytes) -> None:
    found = looked(uploaded(objects, film))
    assert found.original is not None and (found.original.type, found.seconds) == ("video/mp4", 1.0)
    work = Noted()
    rendered = Render(media=ID, original=found.original, seconds=found.seconds, made_max=MADE_MAX).run(work)
    assert [(one.name, one.width, one.height) for one in rendered.renditions] == [
        ("360p", 360, 360),
        ("thumb", 320, 320),
    ]
    assert work.shares == sorted(work.shares) and work.shares[-1] == 0.95
    with pytest.raises(Cancel):
        Render(media=ID, original=found.original, seconds=found.seconds, made_max=MADE_MAX).run(Noted(cancel_at=0.0001))


def test_a_video_that_was_cut_off_is_damaged(objects: Objects, film: bytes) -> None:
    found = looked(uploaded(objects, film[: len(film) * 2 // 3]))
    assert found.original is not None, "its beginning says how long it would be"
    rendered = Render(media=ID, original=found.original, seconds=found.seconds, made_max=MADE_MAX).run(Noted())
    assert rendered.refused == "media.damaged" and rendered.renditions == []


def test_a_video_that_ends_before_its_time_is_damaged(
    objects: Objects, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = looked(uploaded(objects, film)).original
    assert original is not None
    monkeypatch.setenv("GREENROOM_MEDIA_VIDEO_S_MAX", "0.2")
    longer = Render(media=ID, original=original, seconds=0.2, made_max=MADE_MAX).run(Noted())
    assert longer.refused == "media.too_long_to_play", "nor does one play on behind the time that it says"
    monkeypatch.setenv("GREENROOM_MEDIA_VIDEO_S_MAX", "600")
    assert Render(media=ID, original=original, seconds=30.0, made_max=MADE_MAX).run(Noted()).refused == "media.damaged"


def test_what_is_cleared_away_is_all_below_a_name_and_nothing_else(objects: Objects) -> None:
    for name in (f"{ID}/parts/1", f"{ID}/parts/2", f"{ID}/original", f"{OTHER}/original"):
        objects.put(name, b"x")
    assert Clean(media=ID, parts_only=True).run(Noted()) == 2
    assert Clean(media=ID).run(Noted()) == 1
    assert Clean(media=ID).run(Noted()) == 0
    assert list(objects.names("")) == [f"{OTHER}/original"]


@pytest.mark.parametrize("media", ["", ".", "..", "/", "0123456789abcdef0123456", f"{'0' * 24}/..", f"{'0' * 24}\n"])
def test_nothing_is_cleared_away_of_what_is_no_media(objects: Objects, media: str) -> None:
    objects.put(f"{ID}/original", b"x")
    for parts_only in (False, True):
        with pytest.raises(Discard, match="no id of media"):
            Clean(media=media, parts_only=parts_only).run(Noted())
    assert list(objects.names("")) == [f"{ID}/original"]


def test_a_job_reads_objects_of_its_own_media_alone(objects: Objects) -> None:
    objects.put(f"{OTHER}/parts/0", picture())
    objects.put(f"{OTHER}/original", picture())
    for part in (f"{OTHER}/parts/0", f"{ID}/parts/../../{OTHER}/parts/0", f"{ID}/original"):
        with pytest.raises(Discard, match="no objects of that media"):
            Check(media=ID, parts=[part], size=1).run(Noted())
    stolen = Rendition(name="original", object=f"{OTHER}/original", type="image/jpeg", size=1, digest="")
    with pytest.raises(Discard, match="no objects of that media"):
        Render(media=ID, original=stolen, made_max=MADE_MAX).run(Noted())


def test_a_worker_that_is_not_able_is_no_fault_of_the_file(
    objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed attempt, which is tried again elsewhere: the file stays."""
    check = uploaded(objects, picture())
    without = tmp_path / "pictures.py"
    without.write_text("import pillow_that_is_not_here")
    monkeypatch.setattr(pictures, "__file__", str(without))
    with pytest.raises(Unable, match="ModuleNotFoundError"):
        check.run(Noted())
    without.write_text("import sys; sys.exit('whatever it is')")
    with pytest.raises(Unable, match="whatever it is"):
        check.run(Noted())
    monkeypatch.setattr(Tools, "ffprobe", str(tmp_path / "none"))
    with pytest.raises(Unable, match="not begun"):
        uploaded(objects, b"\0\0\0\x20ftypisom" + bytes(60)).run(Noted())
    assert Check.retry.attempts == 20 and Check.retry.max_s >= 3_600, "half a day of it, before it is left to people"
    assert Render.retry == Check.retry == Clean.retry


@pytest.mark.bound("bytes of what is made of one upload")
def test_what_is_made_has_so_many_bytes_and_no_more(objects: Objects) -> None:
    original = looked(uploaded(objects, picture(1000, 500))).original
    assert original is not None
    made = Render(media=ID, original=original, made_max=MADE_MAX).run(Noted()).renditions
    whole_size = sum(one.size for one in made)
    assert Render(media=ID, original=original, made_max=whole_size).run(Noted()).renditions == made
    refused = Render(media=ID, original=original, made_max=whole_size - 1).run(Noted())
    assert (refused.refused, refused.renditions) == ("media.too_heavy", [])


def test_programs_of_one_attempt_have_their_time_together(
    objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "IDLE_SHARE", 0.001)  # on a busy machine one that works gets little of it
    with_ = jobs.tools()
    with_._left_s = 60.0
    with_.run([sys.executable, "-I", "-S", "-c", "import time; time.sleep(0.3)"], tmp_path)
    assert with_._left_s <= 60.0 - 0.3
    with_._left_s -= 59.0
    with pytest.raises(TookTooMuch):
        with_.run([sys.executable, "-I", "-S", "-c", "while True: pass"], tmp_path)
    with pytest.raises(TookTooMuch, match="all of the time"):
        with_.run(["true"], tmp_path)


def test_a_worker_that_was_not_told_where_things_are_says_so(clean_surroundings: None) -> None:
    with pytest.raises(RuntimeError, match="GREENROOM_MEDIA is not set"):
        jobs.tools()
