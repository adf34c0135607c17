"""Frozen values with units and bounds, and how a node tells what it does: logs, metrics, traces.

Imports nothing of ours.

`limits.py` the sections that constructors take · `settings.py` where their values come from · `logs.py` structlog, with
`redaction.py` and `repeats.py` · `instruments.py` what is counted · `telemetry.py` how it is read · `tracing.py` spans.
"""
