"""`python -m greenroom` is `greenroom`."""

from greenroom.supervisors.cli.app import main

main()
