"""The command line, `greenroom`: a file a command."""
