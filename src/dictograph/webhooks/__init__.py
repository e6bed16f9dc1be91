"""Webhooks as they go out: what is told, signed how, sent when and to whom. Knows no database."""
