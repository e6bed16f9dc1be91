"""Whisper as an engine: how a window is read, what is read again, and what is no speech."""
