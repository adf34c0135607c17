"""Jobs of a node: who works on them here."""
