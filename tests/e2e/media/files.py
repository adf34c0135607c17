"""Small pictures and videos, and what is none."""

import io
import subprocess
from pathlib import Path

from PIL import Image

PLAYLIST = b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"


def picture(width: int = 900, height: int = 600, form: str = "JPEG") -> bytes:
    made = io.BytesIO()
    gradient = Image.linear_gradient("L").resize((width, height))
    Image.merge("RGB", (gradient, gradient.rotate(90), gradient.rotate(180))).save(made, form)
    return made.getvalue()


def video(folder: Path, *, seconds: float = 1.0, width: int = 320, height: int = 240) -> bytes:
    """An MP4 with sound, which begins with what says how long it is."""
    path = folder / f"{width}x{height}-{seconds}.mp4"
    sources = (
        *("-f", "lavfi", "-i", f"testsrc=duration={seconds}:size={width}x{height}:rate=25"),
        *("-f", "lavfi", "-i", f"sine=duration={seconds}"),
    )
    coded = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac")
    subprocess.run(["ffmpeg", "-v", "error", "-y", *sources, *coded, "-movflags", "+faststart", path], check=True)
    return path.read_bytes()
