"""The version of the rules by which audio becomes windows, and windows text.

Raise it with every change after which the same audio, options and model may give other windows or another text: in the
detection of speech, the plan, the decoding, or the default of an option. A job that was begun under other rules starts
again: half of each would be neither.
"""

#: The version of the rules of jobs that do not say which they were begun under.
FIRST_RULES = "1"

RULES = "2"
