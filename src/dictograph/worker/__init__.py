"""The agents of a worker, and the parts that they share."""
