"""What a command prints, and to whom."""

import os
import sys

from rich.console import Console

console = Console()


def say(line: str) -> None:
    """Print for whoever may be there to read it; a server serves without readers, too."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError:
        # Else the interpreter would try again at exit, and make that its exit status.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
