"""Read, evaluate, and compare IAM policies for the guardrails and for the commands in `roles`.

The package imports nothing else from this project, because the policy pack runs in a separate process
and may be copied elsewhere.
"""
