"""Import, audit, and check the roles of Amazon Q Business data sources.

The program does not import this package. Nothing here changes AWS.
"""
