"""The Kafka client: topics, one consumer for a group, one producer. It knows no contract (`dictograph.broker`)."""
