"""`python -m supervisors` is `greenroom`."""

from greenroom.supervisors.cli import main

main()
