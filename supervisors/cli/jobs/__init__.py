"""`greenroom jobs` and `greenroom queues`: jobs listed, added and steered, over the API of a running server."""
