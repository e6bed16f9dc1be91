"""Child processes: framed messages over pipes, the loop inside the child, its handle in the parent."""
