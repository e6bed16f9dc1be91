"""Outgoing webhooks: their payload, signature, schedule and receivers. Uses no database."""
