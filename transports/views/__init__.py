"""Reading views over HTTP: what a query asks for, cursors, and the answers."""
