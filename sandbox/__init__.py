"""Run the program without AWS: Pulumi's real engine, replacements for its AWS providers, and moto.

Neither the program nor a deployment to AWS depends on this package.
"""
