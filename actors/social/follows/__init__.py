"""Whom somebody follows, and how many follow them: `follows:USER`."""
