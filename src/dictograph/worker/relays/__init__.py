"""The agents that send what the outbox holds."""
