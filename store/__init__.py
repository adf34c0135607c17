"""What survives: the journal, its group committer, and the servers, schema and bridge behind them."""
