"""Stand in for Pulumi's AWS provider, which cannot be had without a download.

It speaks the real engine's protocol and follows the real provider's source; docs/testing.md lists what
differs.
"""
