"""Measure the program's overhead compared with hand-written code: `make bench`."""

import os

# Let the measured commands cache bytecode, as they do on a user's machine.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
