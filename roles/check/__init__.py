"""Check whether the sync of a data source under a stack's role will work."""
