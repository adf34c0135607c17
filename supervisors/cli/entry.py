"""Where a process of `greenroom` begins: all that it needs is loaded first."""

from greenroom.supervisors.cli.serving.loading import loading


def main() -> None:
    """The console script."""
    with loading():
        from greenroom.supervisors.cli.app import main as run
    run()
