"""Import, compare, and check roles of Amazon Q Business data sources against AWS.

The program does not import this package, and nothing here changes anything in AWS.
"""
