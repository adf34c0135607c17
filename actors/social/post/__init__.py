"""What somebody has posted: `post:ID`."""
