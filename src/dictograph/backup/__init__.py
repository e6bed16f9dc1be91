"""Backups: the database as it was at one moment, and the stored objects that its rows name."""
