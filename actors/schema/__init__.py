"""What is stored, as a description: its lock file, the rules of change, samples, and whether the stored can be read."""
