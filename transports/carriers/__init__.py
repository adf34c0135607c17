"""What carries the client protocol: WebSocket."""
