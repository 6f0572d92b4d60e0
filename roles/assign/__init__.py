"""Give data sources the roles of a stack."""
