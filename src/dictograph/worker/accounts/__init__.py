"""What the windows of a job add up to."""
