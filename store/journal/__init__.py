"""Events, numbered per entity: the journal's promises, its two implementations, and what leads to and from it."""
