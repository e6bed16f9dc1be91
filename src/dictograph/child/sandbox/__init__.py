"""What a child gives up before it touches what others sent. There is no way back from any of it.

policy.py says what a child may keep, and travels to it in one variable; confine.py gives up the rest,
layer by layer; trial.py tries in a process of its own whether the layers hold.
"""
