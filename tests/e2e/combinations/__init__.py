"""The conformance suite of whole services: what clients notice is the same, whatever a service stands on."""
