"""Which Greenroom this is."""

import importlib.metadata

try:
    VERSION = importlib.metadata.version("greenroom")
except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
    VERSION = "0"
