"""What the rows say of an entity and of the cluster, for whoever looks: read-only, and of no hot path."""
