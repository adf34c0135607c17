"""What leaves an inbox: which jobs, with what in them. How they are done is in transports/notices/."""
