"""Jobs: work that outlives a request, done outside every mailbox. A job's class, and the queue that hands jobs out."""
