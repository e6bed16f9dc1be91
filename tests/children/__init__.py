"""Child processes that misbehave, each run as `python -m tests.children.…`."""
