"""Try the program without AWS: Pulumi's real engine, replacements for its AWS providers, moto for AWS.

The program does not depend on it, and nothing here is needed to deploy to AWS.
"""
