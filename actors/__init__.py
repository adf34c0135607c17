"""The actor model, free of I/O, and the entities, a folder a domain. Their public face is `greenroom` itself."""
