"""What is asked of jobs and takes a page of its own: of ours, and of a peer's, by the same code."""
