"""Rates, as they are measured: when which has how many tokens."""
