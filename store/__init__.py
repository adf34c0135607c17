"""What survives: the journal and its commit path, Postgres behind one door, servers of one's own, migrations."""
