"""A world to look at: `greenroom demo`."""
