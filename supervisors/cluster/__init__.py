"""The node among others: its lease, its shards, what it knows of other nodes' ends."""
