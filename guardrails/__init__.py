"""Rules for all of an organization's roles: a policy pack, and its policy reader for `roles`."""
