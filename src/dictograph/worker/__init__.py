"""The agents of a worker, and what they share."""
