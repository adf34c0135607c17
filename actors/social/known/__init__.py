"""What a node knows of posts and people, for all feeds that it reads for: a few seconds old, and never what decides
who may see what."""
