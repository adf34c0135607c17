"""Many jobs of a queue at once: tried again, cancelled, changed or dropped by a filter."""
