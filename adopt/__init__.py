"""From a data source that exists, with a role of the console's, to a stack of this program.

The program does not know of it, and nothing here changes anything in AWS.
"""
