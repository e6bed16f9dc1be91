"""Contract K, the worker on Kafka, without a broker and without a database.

What a message asks for, what has to be done with it, and what the end of a job answers.
"""
