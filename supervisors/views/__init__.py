"""Views, kept up: what is committed here is folded, what was missed is found, and versions take one another's place."""
