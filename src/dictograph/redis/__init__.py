"""The client of Redis: how it is reached, why it is not, and messages to whoever listens. It knows no contract."""
