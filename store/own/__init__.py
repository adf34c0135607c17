"""Postgres and Valkey of one's own, from wheels, in a data folder that dies with us."""
