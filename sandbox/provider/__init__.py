"""A stand-in for Pulumi's AWS provider, which cannot be had without a download.

It speaks the real engine's protocol and has just what the program, its guardrails and its tests need. It
is no substitute for a preview with the real provider; see `resources.py` for what it leaves out.
"""
