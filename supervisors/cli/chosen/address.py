"""Where a server is reached."""

from greenroom.config.settings import Settings


def server_url(settings: Settings, *, port: int | None = None) -> str:
    """Where a server with these settings is reached from this machine; `port` where it is not the configured one."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{port or settings.port}/"
