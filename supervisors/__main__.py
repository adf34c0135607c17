"""`python -m supervisors` is `greenroom`."""

from greenroom.supervisors.cli.app import main

main()
