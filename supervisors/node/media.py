"""What answers `/media` on a node, where GREENROOM_MEDIA says that files are kept."""

from typing import TYPE_CHECKING

from greenroom.config.settings import Settings
from greenroom.transports.services import Services

if TYPE_CHECKING:
    from greenroom.transports.media.app import MediaApp
    from greenroom.transports.media.uploading import Asking


def media_of(settings: Settings, services: Services, ask: "Asking") -> "MediaApp | None":
    """None: nothing is kept. Imported here, for most nodes need none of it."""
    if settings.media is None:
        return None
    from greenroom.store.objects.in_threads import ThreadedObjects
    from greenroom.store.objects.objects import Objects
    from greenroom.transports.media.app import MediaApp
    from greenroom.transports.media.links import Links

    secret = secret_of(settings, services)
    return MediaApp(
        ask=ask,
        objects=ThreadedObjects(Objects(settings.media)),
        links=Links(secret) if secret else None,
        tokens=services.tokens,
        sessions=services.sessions,
        anonymous=services.anonymous,
        most=settings.media_limits,
        clock=services.clock,
        origins=settings.allowed_origins,
        prefix=settings.path_prefix,
    )


def secret_of(settings: Settings, services: Services) -> bytes | None:
    """What links are signed with is made of this; None: there is none, and so there are no links."""
    for secret in (settings.media_secret, settings.auth_secret):
        if secret is not None:
            return secret.get_secret_value().encode()
    return services.tokens.secret if services.tokens is not None else None
