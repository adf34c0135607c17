"""Bytes on one side, messages on the other: the gate, the codecs, the hub, the bus and the pages."""
