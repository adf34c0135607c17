"""Bytes only: the listener, the poller, connections and their bounds."""
