"""Create the roles that GitHub Actions uses to preview, deploy, and audit in one AWS account."""

import json

import policies
import pulumi
import pulumi_aws as aws
import settings

caller = aws.get_caller_identity()
partition = caller.arn.split(":")[1]
given = settings.read(partition, caller.account_id)
# Compute the policies before anything is created; IAM checks their sizes only during the update.
planned = {each.name: policies.permissions(given, each) for each in given.environments}
boundaries = {each.name: policies.boundary(each) for each in given.environments if each.reads}

# An account can have only one provider for an issuer, so the provider's ARN is known.
provider_arn = f"arn:{partition}:iam::{caller.account_id}:oidc-provider/{policies.ISSUER}"
options = pulumi.ResourceOptions()
if given.create_oidc_provider:
    provider = aws.iam.OpenIdConnectProvider(
        "github", url=f"https://{policies.ISSUER}", client_id_lists=[policies.AUDIENCE]
    )
    options = pulumi.ResourceOptions(depends_on=[provider])

arns: dict[str, dict[str, str]] = {"deploy": {}, "preview": {}, "audit": {}}
bucket_policy: list[policies.Statement] = []
key_policy: list[policies.Statement] = []
for environment in given.environments:
    if environment.name in boundaries:
        aws.iam.Policy(
            f"connector-boundary-{environment.name}",
            name=f"connector-boundary-{environment.name}",
            policy=json.dumps(boundaries[environment.name]),
        )
    for kind, permissions in planned[environment.name].items():
        # CI roles have the default path, /. settings.py rejects environments whose roles overlap with CI
        # roles, so no CI role can change a CI role.
        name = f"connector-ci-{kind}-{environment.name}"
        subjects = policies.subjects(given.repository, environment.name)[kind]
        role = aws.iam.Role(
            name,
            name=name,
            description=f"GitHub Actions of {given.repository}: {kind} {environment.name}",
            assume_role_policy=json.dumps(policies.trust(provider_arn, subjects)),
            opts=options,
        )
        aws.iam.RolePolicy(
            name,
            name="permissions",
            role=role.name,
            policy=json.dumps(policies.document(permissions.inline)),
        )
        for number, statements in enumerate(permissions.managed, 1):
            part = aws.iam.Policy(
                f"{name}-{number}",
                name=f"{name}-{number}",
                policy=json.dumps(policies.document(statements)),
            )
            aws.iam.RolePolicyAttachment(f"{name}-{number}", role=role.name, policy_arn=part.arn)
        arn = f"arn:{partition}:iam::{caller.account_id}:role/{name}"
        arns[kind][environment.name] = arn
        bucket_policy += policies.grants("s3", permissions.inline, arn)
        key_policy += policies.grants("kms", permissions.inline, arn)

# Set these ARNs as permissionsBoundaryArn in Pulumi.NAME.yaml.
pulumi.export("boundaries", {each.name: each.boundary for each in given.environments if each.boundary})
for kind, by_environment in arns.items():
    pulumi.export(f"{kind}Roles", by_environment)
# Add these statements to the policy of a bucket or key in another account.
pulumi.export("bucketPolicyStatements", bucket_policy)
pulumi.export("keyPolicyStatements", key_policy)
