"""The rights that a child gives up before it reads bytes from clients. It can get none of them back.

policy.py says which rights a child keeps, and is passed to it in one environment variable; confine.py gives up the
rest, layer by layer; self_test.py tries in separate processes whether the layers hold.
"""
