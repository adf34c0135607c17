"""The journal in Postgres, a file for each thing that it does: its statements, and what is made of their rows."""
