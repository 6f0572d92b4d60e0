"""Run the program once on a real AWS account, and leave nothing there.

The program does not import this package. `make live` runs it, and docs/live.md describes it.
"""
