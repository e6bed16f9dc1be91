"""The operations on jobs: accept, read, follow, cancel, retry, delete. No module here knows HTTP."""
