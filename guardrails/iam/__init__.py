"""Read, evaluate, and compare IAM policies, for the guardrails and the commands of `roles`.

The package imports nothing from this project: the policy pack runs in a separate process, and may be
copied elsewhere.
"""
