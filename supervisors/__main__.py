"""`python -m supervisors`, in a checkout, is `greenroom`."""

import sys

if not sys.flags.safe_path:
    sys.path.append(sys.path.pop(0))

from greenroom.supervisors.cli.entry import main

main()
