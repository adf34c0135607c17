"""What the settings choose for a command: the kinds, the database, the address."""
