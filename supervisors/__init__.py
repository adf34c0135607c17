"""Who is alive: strategies, waking and sleeping, delivery, the node, the simulated world, the command line."""
