"""What can be done with jobs: take in, look up, follow, cancel, retry, delete. Knows no HTTP."""
