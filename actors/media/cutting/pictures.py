"""Read one picture, and write it smaller: `python -I pictures.py REQUEST`, in a process with limits (programs.py).

It is run as a file, beside Pillow and nothing of ours. The picture is read as what its first bytes have said, and as
nothing else; how large it is, is known before any of it is unpacked; and all of it is unpacked, so that one that was
cut off is found. What is written has no metadata: no place, no camera, no thumbnail of what was cut away.
"""

import json
import sys
import warnings
from typing import Any

QUALITY = 82
DAMAGED, TOO_LARGE = "media.damaged", "media.too_many_pixels"


def cut(request: dict[str, Any]) -> dict[str, Any]:
    """Of `{"source", "reader", "pixels_max", "outputs": [{"path", "side"}]}`, where `side` is what the longer one
    becomes at most: `{"width", "height", "outputs": [[w, h]]}`, or `{"refused", "detail"}`. Raises: ImportError, for a
    kind that this Pillow can't read; what is wrong with a disk."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    Image.init()
    if request["reader"] not in Image.OPEN:
        raise ImportError(f"this Pillow reads no {request['reader']}")
    Image.MAX_IMAGE_PIXELS = request["pixels_max"]  # looked at as it is opened, before any of it is unpacked
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        with Image.open(request["source"], formats=(request["reader"],)) as opened:
            opened.load()  # the first of several frames; all of it, whatever becomes of it
            whole = ImageOps.exif_transpose(opened)
            has_alpha = whole.has_transparency_data
            whole = whole.convert("RGBA" if has_alpha else "RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return {"refused": TOO_LARGE, "detail": _too_large(request)}
    except UnidentifiedImageError:
        return {"refused": DAMAGED, "detail": f"it begins as {request['reader']}, and is none"}
    except MemoryError:
        raise
    except Exception as error:  # the edge: what a decoder raises is its own
        if isinstance(error, OSError) and error.errno is not None:  # the system's, of a disk
            raise
        return {"refused": DAMAGED, "detail": f"it can't be read to its end: {str(error)[:200]}"}
    written = []
    for output in request["outputs"]:
        small = whole.copy()
        small.thumbnail((output["side"], output["side"]), Image.Resampling.LANCZOS)
        small.save(output["path"], "WEBP", quality=QUALITY, method=4)
        written.append([small.width, small.height])
    return {"width": whole.width, "height": whole.height, "outputs": written}


def _too_large(request: dict[str, Any]) -> str:
    return f"a picture has at most {request['pixels_max']} pixels"


if __name__ == "__main__":
    print(json.dumps(cut(json.loads(sys.argv[1]))))
