"""Bytes to values and back: HTTP/1.1 and WebSocket. No socket, no task, no entity."""
