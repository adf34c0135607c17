"""The cycle collector, set for a process that holds many long-lived objects and makes many short-lived ones.

By default a collection of the young runs every 700 allocations, which under load was a fifth of the CPU time (bench
http, py-spy: time at lines that merely allocate). Almost nothing of ours is in cycles; what is can wait.
"""

import gc

YOUNG_MAX = 50_000  # allocations (less deallocations) between two collections of the young


def settle() -> None:
    """Call once everything that lives as long as the process has been made."""
    gc.collect()
    gc.freeze()  # never looked at again
    gc.set_threshold(YOUNG_MAX, 20, 20)
