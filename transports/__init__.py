"""Bytes on one side, messages on the other: sockets, codecs, the client protocol, HTTP, fan-out, pages."""
