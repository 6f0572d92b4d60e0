"""Measure the overhead of each role, and the speed of `audit` and `check`: `make bench`."""
