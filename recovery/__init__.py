"""Recover a stack after an interrupted update.

The Pulumi CLI does all of the work, with the stack's own credentials. The program does not import this
package.
"""
