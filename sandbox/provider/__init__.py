"""Replace Pulumi's AWS providers in the sandbox, which by default does not download them.

The replacements implement the engine's protocol and follow the real providers' source;
sandbox/README.md lists the differences.
"""
