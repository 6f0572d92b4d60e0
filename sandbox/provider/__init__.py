"""Replace Pulumi's AWS providers in the sandbox, which does not download them.

They implement the engine's protocol and follow the source of the real providers; docs/testing.md lists
the differences.
"""
