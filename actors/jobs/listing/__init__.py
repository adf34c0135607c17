"""Lists of jobs: which are meant, as clients say it, and the pages of an answer."""
