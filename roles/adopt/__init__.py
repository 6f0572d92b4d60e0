"""Import the role of an existing data source into a stack of this program."""
