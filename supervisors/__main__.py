"""`python -m supervisors` is `greenroom`."""

from supervisors.cli import main

main()
