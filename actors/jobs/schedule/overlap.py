"""Overlap: what becomes of a tick while the job of an earlier one has not ended. The names are Temporal's."""

from typing import Literal

Overlap = Literal["skip", "buffer_one", "buffer_all", "cancel_other", "allow"]
Verdict = Literal["start", "wait", "replace", "skip"]
WAITING_MAX = 100
RUNNING_MAX = 1_000


def decide(overlap: Overlap, *, running: int, waiting: int) -> Verdict:
    """`replace`: what runs is cancelled, and this goes once it has ended, in place of what waits already."""
    if not running:
        return "start"
    match overlap:
        case "allow":
            return "start" if running < RUNNING_MAX else "skip"
        case "skip":
            return "skip"
        case "buffer_one":
            return "skip" if waiting else "wait"
        case "buffer_all":
            return "wait" if waiting < WAITING_MAX else "skip"
        case "cancel_other":
            return "replace"
