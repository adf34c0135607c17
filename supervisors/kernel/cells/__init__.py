"""One awake entity: its cell, the task that runs it, and what it has in flight. `cell.py` is where to begin."""
