"""Questions to the kernel alone, in one process: no sockets, no gate."""
