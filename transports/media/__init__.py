"""Uploads that may be interrupted, and files served by ranges: `/media`."""
