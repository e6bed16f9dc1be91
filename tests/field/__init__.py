"""Small inputs that stand for kinds of reports from the field, made from recordings in the test that needs them.

Each function writes one input into a folder and returns its path; what is right for it stands in its docstring. The
tests are per kind, not per file: vary music, voice, level and place.
"""
