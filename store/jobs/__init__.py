"""Jobs as rows: what queues read of them, in Postgres and in memory. They are written with appends."""
