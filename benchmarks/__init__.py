"""Measure the component's overhead, and the speed of `audit` and `check`, for `make bench`."""
