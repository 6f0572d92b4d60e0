"""A policy pack for an organization's roles, and the IAM policy reader that `roles` also uses."""
