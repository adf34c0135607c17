"""What is looked up of a node when somebody asks for its metrics."""

from pathlib import Path

from greenroom.config.telemetry.held import Held
from greenroom.config.telemetry.instruments import Observed
from greenroom.config.telemetry.logs import dropped_lines
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.transports.edge import Edge


def observed(kernel: Kernel, edge: Edge, held: Held) -> Observed:
    return Observed(
        mailbox_depth=kernel.system.mailbox_depth,
        mailbox_age_s=kernel.system.mailbox_age_s,
        queue_bytes=lambda: edge.flusher.queued_bytes,
        replies_bytes=lambda: held.replies.bytes,
        tails_bytes=lambda: held.tails.bytes,
        snapshots_waiting_bytes=lambda: kernel.snapshots.waiting_bytes,
        letters_waiting_bytes=lambda: kernel.letters.waiting_bytes,
        outbox_waiting_bytes=lambda: kernel.relay.waiting_bytes,
        outbox_waiting=lambda: kernel.relay.waiting,
        outbox_delivered=lambda: kernel.relay.delivered,
        outbox_retries=lambda: kernel.relay.retries,
        timers_overdue=lambda: kernel.waker.overdue,
        log_lines_dropped=dropped_lines,
    )


def resident_bytes() -> int:
    """Resident memory of this process, bytes; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except (OSError, ValueError, IndexError):
        return 0
