"""Older systems that this one stands in for: their defaults, and their names for settings."""
