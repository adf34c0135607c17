"""The folder that GREENROOM_MEDIA names: it has to be there when a server or a worker starts."""

from greenroom.config.settings import Settings
from greenroom.config.settings.forms import objects_folder
from greenroom.supervisors.cli.terminal.plainly import Trouble


def require_media_folder(settings: Settings) -> None:
    """One that is not there may be a disk that is not: what was written beside it would be lost to all others.

    Raises: Trouble.
    """
    folder = objects_folder(settings.media) if settings.media is not None else None
    if folder is not None and not folder.is_dir():
        raise Trouble(f"GREENROOM_MEDIA: {folder} is no folder: make it, on the disk that is meant")
