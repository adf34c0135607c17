"""Who owns what: nodes with their leases, shards with their terms. Postgres is the only referee."""
