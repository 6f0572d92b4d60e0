"""Audit, check, and assign the roles of Amazon Q Business data sources, and prepare their import.

The Pulumi program does not import this package. Only `adopt` and `assign` change AWS resources.
"""
