"""The kernel: which entities are awake, the way to each, and the life of each."""
