"""Views in the simulated world: on its database, on its nodes, what goes wrong with them, and what must be true."""
