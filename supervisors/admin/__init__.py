"""What operators see: of this node, of an entity, of the whole cluster. Nothing here runs while nobody looks."""
