"""Measure the figures on which a promise about speed rests: `make bench`."""
