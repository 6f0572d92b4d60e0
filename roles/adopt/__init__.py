"""Prepare the import of existing data sources' roles into a stack of this program."""
