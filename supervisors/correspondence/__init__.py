"""Correspondence: what nodes say to one another, and what becomes of it."""
