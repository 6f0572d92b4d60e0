"""Check whether a data source's sync will work with a stack's role."""
