"""Recover a stack after an interrupted update.

The Pulumi CLI does all of the work, with the same credentials as for `pulumi up`. The program does not
import this package.
"""
