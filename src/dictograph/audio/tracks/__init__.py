"""Tracks and channels of a file: which of them are decoded, how, and what is said of the others."""
