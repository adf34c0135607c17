"""Jobs in the simulated world: on its database, on its nodes, and processes that only work on them."""
