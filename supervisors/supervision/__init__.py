"""Keeping tasks alive: supervisors, restart strategies, backoff, the watchdog, signals."""
