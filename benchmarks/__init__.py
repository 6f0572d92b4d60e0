"""Measure the overhead over hand-written code: `make bench`."""

import os

# As on a user's machine, the measured commands cache bytecode.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
