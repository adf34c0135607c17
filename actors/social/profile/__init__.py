"""Who somebody is: `profile:USER`."""
