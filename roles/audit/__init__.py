"""Compare the roles of all data sources with the roles that the program would create."""
