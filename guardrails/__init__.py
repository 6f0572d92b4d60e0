"""Rules for all roles of an organization: a policy pack, and its reading of policies for `roles`."""
