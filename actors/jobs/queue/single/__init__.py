"""Single jobs of a queue: cancelled, tried again and edited, shown while they are under way, with steps kept."""
