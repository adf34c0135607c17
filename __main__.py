"""`python -m greenroom` is `greenroom`."""

import sys

if not sys.flags.safe_path:
    sys.path.append(sys.path.pop(0))  # the folder one stands in comes last, as for the script: see cli/chosen/kinds.py

from greenroom.supervisors.cli.entry import main

main()
