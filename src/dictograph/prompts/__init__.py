"""Prompts for a language model, made from a transcript: templates are files, chosen by the transcript's language."""
