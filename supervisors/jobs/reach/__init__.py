"""Reach: the entities and views that jobs may ask, from where they are worked on."""
