"""Personal fields: which stored values are about which user, and what is left of them without one."""
