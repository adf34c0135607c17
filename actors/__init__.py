"""The actor model, free of I/O, and the entities, a folder each."""
