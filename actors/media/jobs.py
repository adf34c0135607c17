"""The jobs of media: look at what has come, cut from it what is shown, and clear away what is not wanted.

The first two are called in processes of a worker's own, and have what they read read by programs with limits
(cutting/). They may be done twice: what they write is named by what is in it. What a job finds wrong with a file is its
result, and no failed attempt: trying again would not help. What is wrong with the storage, or the worker, is a failed
attempt, of which there are enough for half a day.
"""

import hashlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from greenroom.actors.jobs.job import Job, JobLimits
from greenroom.actors.jobs.retry import Retry
from greenroom.actors.jobs.work import Discard, ThreadWork
from greenroom.actors.media.content import HEAD_BYTES, JPEG, MP4, WEBP, Content, content_of, is_said_wrongly
from greenroom.actors.media.cutting import pictures, videos
from greenroom.actors.media.cutting.programs import Failed, Limits, TookTooMuch, Unable, run
from greenroom.actors.media.cutting.videos import DAMAGED, Playable, Refusal
from greenroom.actors.media.cutting.workplace import workplace
from greenroom.actors.media.messages import Rendition
from greenroom.actors.media.names import ORIGINAL, is_below, object_name, parts_of, prefix_of
from greenroom.config.settings import Settings, load_settings
from greenroom.store.objects.objects import Objects

QUEUE = "media"
SIDES = {"thumb": 320, "medium": 800, "large": 1600}  # of a picture's longer side
HEIGHTS = (360, 720)  # of videos
THUMB = "thumb"
FRAME_SHARE = 0.1  # of a video's time, where its picture is taken
WHOLE_SHARE = 0.8  # of its time must play, or it was cut off
READ_BYTES = 1 << 20
MORE_BYTES = 1 << 20  # that a program may write beside what is kept: what it says, a picture that is cut once more
_PATIENT = Retry(attempts=20, first_s=5.0, max_s=3_600.0)
_LIMITS = JobLimits(timeout_s=1_800)  # for programs, which have `work_s`, and for all that comes and goes besides


class Looked(Struct, frozen=True, omit_defaults=True):
    """What a file is; or why it is not taken."""

    original: Rendition | None = None
    seconds: float = 0.0
    refused: str = ""
    detail: str = ""


class Rendered(Struct, frozen=True, omit_defaults=True):
    """What was made of it; or why nothing was."""

    renditions: list[Rendition] = field(default_factory=list)
    refused: str = ""
    detail: str = ""


class Tools:
    """What an attempt works with, as the settings say."""

    def __init__(self, settings: Settings, made_max: int = 0) -> None:
        """`made_max`: bytes of all that it may make."""
        if settings.media is None:
            raise RuntimeError("GREENROOM_MEDIA is not set here: this worker can't work on media")
        self.objects = Objects(settings.media)
        self.most = most = settings.media_limits
        self._left_s = most.work_s
        self._made_max = self._left_bytes = made_max
        self._ffmpeg = settings.media_ffmpeg

    @property
    def ffmpeg(self) -> str:
        """Raises: Refusal where the settings say that there is none; Unable where it lacks, which is not the file's
        fault: another worker may have it."""
        if self._ffmpeg == "none":
            raise Refusal("media.no_videos", "videos are not taken here: GREENROOM_MEDIA_FFMPEG is none")
        found = shutil.which(self._ffmpeg)
        if found is None:
            raise Unable(f"there is no {self._ffmpeg} on this worker")
        return found

    @property
    def ffprobe(self) -> str:
        """Raises: Refusal, Unable."""
        return str(Path(self.ffmpeg).with_name("ffprobe"))

    def run(self, program: list[str], folder: Path, on_line: Callable[[str], None] | None = None) -> str:
        """What it says, in the time that those before it have left. Raises: TookTooMuch, Failed, Unable."""
        if self._left_s <= 0:
            raise TookTooMuch("those before it took all of the time")
        limits = Limits(self.most.work_bytes_max, self._left_s, self._left_bytes + MORE_BYTES)
        begun = time.monotonic()
        try:
            return run(program, limits, folder, on_line)
        finally:
            self._left_s -= time.monotonic() - begun

    def keep_made(self, media: str, name: str, path: Path, content: Content, width: int, height: int) -> Rendition:
        """Raises: ObjectsUnavailable, Refusal."""
        self._left_bytes -= path.stat().st_size
        if self._left_bytes < 0:
            raise Refusal("media.too_heavy", f"what is made of it would have more than {self._made_max} bytes")
        return self.keep(media, name, path, content, width, height)

    def keep(self, media: str, name: str, path: Path, content: Content, width: int, height: int) -> Rendition:
        """Raises: ObjectsUnavailable."""
        digest = digest_of(path)
        at = object_name(media, name, digest, content.suffix)
        self.objects.put(at, path)
        size = path.stat().st_size
        return Rendition(name=name, object=at, type=content.type, size=size, digest=digest, width=width, height=height)

    def cut_picture(self, source: Path, content: Content, folder: Path, sides: dict[str, int]) -> dict[str, Any]:
        """What pictures.py says: where it ends without a word, that is no fault of the picture. Raises: Refusal,
        TookTooMuch, Unable."""
        request = {
            "source": str(source),
            "reader": content.reader,
            "pixels_max": self.most.pixels_max,
            "outputs": [{"path": str(folder / name), "side": side} for name, side in sides.items()],
        }
        program = [sys.executable, "-I", pictures.__file__, msgspec.json.encode(request).decode()]
        try:
            answer: dict[str, Any] = msgspec.json.decode(self.run(program, folder))
        except Failed as error:
            raise Unable(str(error)) from None
        if "refused" in answer:
            raise Refusal(answer["refused"], answer["detail"])
        return answer


def tools(made_max: int = 0) -> Tools:
    return Tools(load_settings(), made_max)


def judged(attempt: Callable[[], Any], result: type[Any]) -> Any:
    """What the attempt comes to, or why the file is not taken. Raises: all that is not the file's fault."""
    try:
        return attempt()
    except Refusal as refusal:
        return result(refused=refusal.name, detail=refusal.detail)
    except TookTooMuch:
        return result(refused="media.too_heavy", detail="to read it takes more memory or time than there is for it")
    except Failed as error:
        return result(refused=DAMAGED, detail=f"it can't be read to its end: {str(error)[-200:]}")


class Check(Job, queue=QUEUE, tag="job.media_check"):
    """Put the parts together, and look at what it is."""

    media: str
    parts: list[str]
    size: int
    digest: str = ""
    said: str = ""
    process = True
    retry = _PATIENT
    limits = _LIMITS

    def run(self, work: Any) -> Looked:
        require(self.media, parts_of, self.parts)
        with workplace() as folder:
            looked: Looked = judged(lambda: self._look(work, tools(), folder), Looked)
            return looked

    def _look(self, work: ThreadWork, with_: Tools, folder: Path) -> Looked:
        """Raises: Refusal, TookTooMuch, Failed."""
        source = folder / ORIGINAL
        work.progress(0.1, "putting it together")
        digest = put_together(with_.objects, self.parts, source)
        if source.stat().st_size != self.size:
            raise Refusal("media.incomplete", f"{source.stat().st_size} bytes are here, of {self.size}")
        if self.digest and digest != self.digest:
            raise Refusal("media.checksum", "its SHA-256 is another one than was said")
        work.progress(0.4, "looking at it")
        with source.open("rb") as file:
            content = content_of(file.read(HEAD_BYTES))
        if content is None:
            raise Refusal("media.not_media", "by its first bytes it is no JPEG, PNG, GIF, WebP, MP4, QuickTime or WebM")
        if is_said_wrongly(self.said, content):
            raise Refusal("media.wrong_type", f"it was to be {self.said}, and is {content.type}")
        if content.sort == "picture":
            found = with_.cut_picture(source, content, folder, {})
            playable = Playable(found["width"], found["height"], 0.0)
        else:
            probed = with_.run(videos.probe(with_.ffprobe, source, content.reader), folder)
            most = with_.most
            playable = videos.probed(probed, pixels_max=most.pixels_max, seconds_max=most.video_s_max)
        work.progress(0.8, "keeping it")
        original = with_.keep(self.media, ORIGINAL, source, content, playable.width, playable.height)
        return Looked(original, playable.seconds)


class Render(Job, queue=QUEUE, tag="job.media_render"):
    """Cut from the original what is shown."""

    media: str
    original: Rendition
    made_max: int  # bytes
    seconds: float = 0.0
    process = True
    retry = _PATIENT
    limits = _LIMITS

    def run(self, work: Any) -> Rendered:
        require(self.media, prefix_of, [self.original.object])
        with workplace() as folder:
            rendered: Rendered = judged(lambda: self._render(work, tools(self.made_max), folder), Rendered)
            return rendered

    def _render(self, work: ThreadWork, with_: Tools, folder: Path) -> Rendered:
        """Raises: Refusal, TookTooMuch, Failed."""
        source = folder / ORIGINAL
        work.progress(0.0, "fetching it")
        with_.objects.fetch(self.original.object, source)
        with source.open("rb") as file:
            content = content_of(file.read(HEAD_BYTES))
        assert content is not None
        cut = self._picture if content.sort == "picture" else self._video
        return Rendered(list(cut(work, with_, folder, source, content)))

    def _picture(
        self, work: ThreadWork, with_: Tools, folder: Path, source: Path, content: Content
    ) -> Iterator[Rendition]:
        longer = max(self.original.width, self.original.height)
        sides = {name: side for name, side in SIDES.items() if name == THUMB or side < longer}
        if "large" not in sides:
            sides["large"] = SIDES["large"]  # as large as it is, without its metadata
        work.progress(0.2, "making it smaller")
        sizes = with_.cut_picture(source, content, folder, sides)["outputs"]
        for name, (width, height) in zip(sides, sizes, strict=True):
            yield with_.keep_made(self.media, name, folder / name, WEBP, width, height)

    def _video(
        self, work: ThreadWork, with_: Tools, folder: Path, source: Path, content: Content
    ) -> Iterator[Rendition]:
        wanted, seconds_max = videos.heights(self.original.height, HEIGHTS), with_.most.video_s_max
        for number, height in enumerate(wanted):
            name, played = f"{height}p", [0.0]

            def on_line(line: str, number: int = number, name: str = name, played: list[float] = played) -> None:
                done_s = videos.played_s(line)
                if done_s is not None:
                    played[0] = done_s
                    share = (number + min(1.0, done_s / self.seconds)) / len(wanted)
                    work.progress(0.95 * share, f"encoding {name}")

            command = videos.transcode(
                with_.ffmpeg,
                source,
                content.reader,
                folder / name,
                height=height,
                pixels_max=with_.most.pixels_max,
                seconds_max=seconds_max,
            )
            with_.run(command, folder, on_line)
            if played[0] > seconds_max + 0.5:
                raise videos.too_long(seconds_max)
            if played[0] < WHOLE_SHARE * self.seconds - 1:
                raise Refusal(DAMAGED, f"of {self.seconds:.0f} s only {played[0]:.0f} play: it was cut off")
            width = max(2, round(self.original.width * height / self.original.height / 2) * 2)
            yield with_.keep_made(self.media, name, folder / name, MP4, width, height)
        work.progress(0.95, "taking a picture")
        yield self._frame(with_, folder, source, content)

    def _frame(self, with_: Tools, folder: Path, source: Path, content: Content) -> Rendition:
        taken, most = folder / "frame", with_.most
        command = videos.frame(
            with_.ffmpeg,
            source,
            content.reader,
            taken,
            at_s=FRAME_SHARE * self.seconds,
            side=SIDES[THUMB],
            pixels_max=most.pixels_max,
        )
        with_.run(command, folder)
        found = with_.cut_picture(taken, JPEG, folder, {THUMB: SIDES[THUMB]})
        ((width, height),) = found["outputs"]
        return with_.keep_made(self.media, THUMB, folder / THUMB, WEBP, width, height)


class Clean(Job, queue=QUEUE, tag="job.media_clean"):
    """Delete all of its objects, or its parts."""

    media: str
    parts_only: bool = False
    retry = _PATIENT
    limits = _LIMITS

    def run(self, work: Any) -> int:
        number, below = 0, require(self.media, parts_of if self.parts_only else prefix_of, [])
        for number, _ in enumerate(tools().objects.clear(below), 1):
            work.progress(0.5, f"{number} deleted")
        return number


def require(media: str, where: Callable[[str], str], names: list[str]) -> str:
    """Where these are, if it is there: whoever may start jobs may have named others'. Raises: Discard."""
    try:
        below = where(media)
    except ValueError as error:
        raise Discard(str(error)) from None
    if not all(is_below(name, below) for name in names):
        raise Discard("these are no objects of that media")
    return below


def put_together(objects: Objects, parts: list[str], to: Path) -> str:
    """The SHA-256 of them all. Raises: ObjectMissing, ObjectsUnavailable."""
    digest = hashlib.sha256()
    with to.open("wb") as file:
        for part in parts:
            for piece in objects.pieces(part):
                digest.update(piece)
                file.write(piece)
    return digest.hexdigest()


def digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


MEDIA_JOBS: tuple[type[Job], ...] = (Check, Render, Clean)
