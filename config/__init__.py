"""Frozen values with units and bounds, and how a node tells what it does. Imports nothing of ours.

`limits.py` the sections that constructors take · `settings/` where their values come from · `telemetry/` logs,
metrics and traces.
"""
