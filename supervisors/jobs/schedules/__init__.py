"""What a node does for schedules beside waking them: it declares those of its code."""
