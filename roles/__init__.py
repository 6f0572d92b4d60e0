"""Audit and check the roles of Amazon Q Business data sources, and prepare the import of roles.

The program does not import this package. Nothing here changes AWS resources.
"""
