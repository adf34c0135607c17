"""Who is alive: supervision, routing, activation and passivation; the node and its command line."""
