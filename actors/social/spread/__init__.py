"""How a post comes to those who follow its author: `spread:ID`, and the jobs that write it."""
