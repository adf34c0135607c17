"""What can go wrong with servers of our own."""


class OwnServerFailed(Exception):
    """A server of our own did not start; the text ends with the last lines of its log."""
