"""Frozen values with units and bounds: settings, limits, logs, telemetry. Imports nothing of ours."""
