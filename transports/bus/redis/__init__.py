"""A small client of Redis and Valkey on trio, for few commands and many bytes: whom to ask, how to come in, replies."""
