"""Parts of the documents of the API that are not about kinds: lists of jobs, media, views."""
