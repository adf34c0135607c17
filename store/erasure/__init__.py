"""Erasure: what is forgotten for good, what is removed of it, and the tombstone that keeps it from coming back."""
