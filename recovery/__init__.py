"""Recover a stack after its update was interrupted.

The Pulumi CLI does all of the work, with the stack's own credentials. The program does not import this
package.
"""
