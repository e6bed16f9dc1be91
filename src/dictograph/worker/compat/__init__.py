"""What workers do for single contracts."""
