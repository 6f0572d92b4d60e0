"""Check whether a data source's sync will work with its role."""
