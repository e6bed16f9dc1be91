"""Dictograph turns audio into text and loses nothing on the way."""

__version__ = "0.1.0"
