"""Read, evaluate and compare IAM policies, for the guardrails and for the commands of `roles`.

The package imports nothing of this project: the policy pack runs apart, and may be copied elsewhere.
"""
