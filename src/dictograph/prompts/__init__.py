"""A transcript as ready-made prompts for a language model: templates are files, chosen by its language."""
