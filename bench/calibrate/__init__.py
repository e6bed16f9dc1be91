"""Measure anew what the constants of detection stand on: `make calibrate`."""
