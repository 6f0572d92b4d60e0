"""Replace Pulumi's AWS provider in the sandbox, where it cannot be downloaded.

It speaks the real engine's protocol and follows the real provider's source; docs/testing.md lists what
differs.
"""
