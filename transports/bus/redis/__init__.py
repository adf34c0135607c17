"""A small client of Redis and Valkey on trio, for few commands and many bytes: addresses, connections, who is the primary."""
