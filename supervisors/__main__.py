"""`python -m supervisors`, in a checkout, is `greenroom`."""

from greenroom.supervisors.cli.app import main

main()
