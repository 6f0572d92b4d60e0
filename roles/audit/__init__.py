"""Compare the roles of an account's data sources with the roles that the program would create."""
