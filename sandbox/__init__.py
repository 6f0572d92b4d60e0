"""Run the program without AWS, on Pulumi's real engine with stand-ins for AWS and the AWS providers.

Neither the program nor a deployment to AWS depends on this package.
"""
