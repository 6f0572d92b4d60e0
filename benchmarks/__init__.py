"""Measure the overhead compared with hand-written code; `make bench` runs it all."""
