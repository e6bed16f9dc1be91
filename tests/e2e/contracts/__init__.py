"""Existing clients, over real sockets, against the real service."""
