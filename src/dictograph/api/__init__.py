"""The service over HTTP: native routes, events as SSE and WebSocket, and access control."""
