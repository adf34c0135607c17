"""What somebody is shown: `feed:USER`."""
