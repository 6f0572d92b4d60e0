"""Try the program without AWS: Pulumi's real engine, a stand-in for its AWS provider, moto for IAM.

The program does not depend on it, and nothing here is needed to deploy to AWS.
"""
