"""Write the script that gives data sources the roles of a stack."""
