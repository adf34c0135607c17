"""Fan-out: what entities publish, to whoever watches, and what a resuming watcher missed."""
