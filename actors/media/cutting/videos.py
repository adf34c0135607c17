"""What ffprobe and ffmpeg are told, and what they say: no process is begun here.

A file is read by the one demuxer that its first bytes name, from a local file, with a short list of codecs: no
playlist, no list of other files, no address is ever followed, whatever is in it. An error ends the run, so that a video
that was cut off is found instead of shown in part.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from greenroom.actors.media.cutting.programs import THREADS

CODECS = (
    "h264,hevc,mpeg4,vp8,vp9,libdav1d,av1,mjpeg,png,prores,"
    "aac,mp3,mp3float,opus,libopus,vorbis,flac,alac,ac3,eac3,pcm_s16le,pcm_s16be,pcm_s24le,pcm_f32le"
)
DAMAGED, TOO_LONG = "media.damaged", "media.too_long_to_play"
AUDIO_KBIT = 128


class Playable(Struct, frozen=True):
    """What a video is."""

    width: int
    height: int
    seconds: float


class Refusal(Exception):
    """It is not taken; `name` is the rule."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(detail)
        self.name = name
        self.detail = detail


class _Stream(Struct, frozen=True):
    codec_type: str = ""
    width: Annotated[int, Meta(ge=0)] = 0
    height: Annotated[int, Meta(ge=0)] = 0
    duration: str = ""


class _Format(Struct, frozen=True):
    duration: str = ""


class _Probed(Struct):
    streams: list[_Stream] = []
    format: _Format = _Format()


def _reading(source: Path, reader: str) -> list[str]:
    return [
        *("-protocol_whitelist", "file", "-format_whitelist", "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm"),
        *("-codec_whitelist", CODECS, "-f", reader, "-i", f"file:{source}"),
    ]


def probe(program: str, source: Path, reader: str) -> list[str]:
    """The command that says what a video is."""
    shown = "stream=codec_type,width,height,duration:format=duration"
    return [program, "-v", "error", "-show_entries", shown, "-of", "json", *_reading(source, reader)]


def probed(said: str, *, pixels_max: int, seconds_max: float) -> Playable:
    """Of what ffprobe has said. Raises: Refusal."""
    try:
        found = msgspec.json.decode(said, type=_Probed)
    except msgspec.DecodeError:
        raise Refusal(DAMAGED, "nothing can be found in it") from None
    video = next((one for one in found.streams if one.codec_type == "video" and one.width and one.height), None)
    if video is None:
        raise Refusal("media.not_media", "there is no picture in it")
    if video.width * video.height > pixels_max:
        raise Refusal("media.too_many_pixels", f"a frame has at most {pixels_max} pixels")
    seconds = _seconds(found.format.duration) or _seconds(video.duration)
    if not seconds:
        raise Refusal(DAMAGED, "it does not say how long it plays")
    if seconds > seconds_max:
        raise too_long(seconds_max)
    return Playable(video.width, video.height, seconds)


def too_long(seconds_max: float) -> Refusal:
    return Refusal(TOO_LONG, f"a video plays for at most {seconds_max:g} s")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return seconds if 0 < seconds < 1e9 else 0.0


def heights(of: int, wanted: Sequence[int]) -> list[int]:
    """Those that are to be made of a video so high: none is made larger, and there is one at least."""
    return [height for height in wanted if height <= of] or [of - of % 2 or 2]


def transcode(
    program: str, source: Path, reader: str, to: Path, *, height: int, pixels_max: int, seconds_max: float
) -> list[str]:
    """The command that makes an MP4 which every browser plays, and says how far it is. How long a video plays it says
    itself: one that plays on is cut a second behind `seconds_max`, where it has been found out."""
    return [
        *(program, "-nostdin", "-v", "error", "-xerror", "-y", "-progress", "pipe:1", "-nostats"),
        *("-threads", str(THREADS), "-max_pixels", str(pixels_max), *_reading(source, reader)),
        *("-map", "0:v:0", "-map", "0:a:0?", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"),
        *("-vf", f"scale=-2:{height},format=yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-crf", "24"),
        *("-threads", str(THREADS), "-c:a", "aac", "-b:a", f"{AUDIO_KBIT}k", "-ac", "2"),
        *("-t", f"{seconds_max + 1:.3f}", "-movflags", "+faststart", "-f", "mp4", f"file:{to}"),
    ]


def frame(program: str, source: Path, reader: str, to: Path, *, at_s: float, side: int, pixels_max: int) -> list[str]:
    """The command that makes a picture of one frame."""
    scale = f"scale={side}:{side}:force_original_aspect_ratio=decrease"
    return [
        *(program, "-nostdin", "-v", "error", "-y", "-threads", str(THREADS), "-max_pixels", str(pixels_max)),
        *("-ss", f"{at_s:.3f}", *_reading(source, reader), "-map", "0:v:0", "-an", "-sn", "-frames:v", "1"),
        *("-vf", scale, "-q:v", "4", "-map_metadata", "-1", "-c:v", "mjpeg", "-f", "image2", f"file:{to}"),
    ]


def played_s(line: str) -> float | None:
    """How far ffmpeg says that it is, in the seconds that play; None: it says something else."""
    name, _, value = line.partition("=")
    if name != "out_time_us":
        return None
    try:
        return int(value) / 1e6
    except ValueError:  # `N/A`, before the first frame
        return None
