"""Import the role of an existing data source into a stack of this program.

The program does not import this package, and nothing here changes anything in AWS.
"""
