"""Compare the roles of all data sources with those that the program would create."""
