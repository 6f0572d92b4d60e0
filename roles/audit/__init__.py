"""Compare the roles of all data sources with what the program would write for them."""
