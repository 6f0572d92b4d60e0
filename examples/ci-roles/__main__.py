"""Create the roles that GitHub Actions uses to preview, deploy, and audit in one AWS account."""

import json

import policies
import pulumi
import pulumi_aws as aws
from settings import read_settings

caller = aws.get_caller_identity()
partition = caller.arn.split(":")[1]
settings = read_settings(partition, caller.account_id)
# Compute the policies before anything is created; IAM checks their sizes only during the update.
permissions_by_environment = {
    environment.name: policies.build_permissions(settings, environment)
    for environment in settings.environments
}
boundary_by_environment = {
    environment.name: policies.render_boundary(environment)
    for environment in settings.environments
    if environment.readable_resources
}

# An account can have only one provider for an issuer, so the provider's ARN is known.
provider_arn = f"arn:{partition}:iam::{caller.account_id}:oidc-provider/{policies.ISSUER}"
role_options = pulumi.ResourceOptions()
if settings.create_oidc_provider:
    provider = aws.iam.OpenIdConnectProvider(
        "github", url=f"https://{policies.ISSUER}", client_id_lists=[policies.AUDIENCE]
    )
    role_options = pulumi.ResourceOptions(depends_on=[provider])

role_arns: dict[str, dict[str, str]] = {"deploy": {}, "preview": {}, "audit": {}}
bucket_policy_statements: list[policies.Statement] = []
key_policy_statements: list[policies.Statement] = []
for environment in settings.environments:
    if environment.name in boundary_by_environment:
        aws.iam.Policy(
            f"connector-boundary-{environment.name}",
            name=f"connector-boundary-{environment.name}",
            policy=json.dumps(boundary_by_environment[environment.name]),
        )
    subjects_by_role = policies.get_subjects(settings.repository, environment.name)
    for role_kind, permissions in permissions_by_environment[environment.name].items():
        # CI roles have the default path, /. settings.py rejects environments whose roles overlap with CI
        # roles, so no CI role can change a CI role.
        role_name = f"connector-ci-{role_kind}-{environment.name}"
        trust_policy = policies.render_trust_policy(provider_arn, subjects_by_role[role_kind])
        role = aws.iam.Role(
            role_name,
            name=role_name,
            description=f"GitHub Actions of {settings.repository}: {role_kind} {environment.name}",
            assume_role_policy=json.dumps(trust_policy),
            opts=role_options,
        )
        aws.iam.RolePolicy(
            role_name,
            name="permissions",
            role=role.name,
            policy=json.dumps(policies.render_policy(permissions.inline)),
        )
        for number, statements in enumerate(permissions.managed, 1):
            policy_name = f"{role_name}-{number}"
            managed_policy = aws.iam.Policy(
                policy_name,
                name=policy_name,
                policy=json.dumps(policies.render_policy(statements)),
            )
            aws.iam.RolePolicyAttachment(policy_name, role=role.name, policy_arn=managed_policy.arn)
        role_arn = f"arn:{partition}:iam::{caller.account_id}:role/{role_name}"
        role_arns[role_kind][environment.name] = role_arn
        bucket_policy_statements += policies.convert_statements("s3", permissions.inline, role_arn)
        key_policy_statements += policies.convert_statements("kms", permissions.inline, role_arn)

# Set these ARNs as permissionsBoundaryArn in Pulumi.NAME.yaml.
boundary_arns = {environment.name: environment.boundary_arn for environment in settings.environments}
pulumi.export("boundaries", {name: arn for name, arn in boundary_arns.items() if arn})
for role_kind, arn_by_environment in role_arns.items():
    pulumi.export(f"{role_kind}Roles", arn_by_environment)
# Add these statements to the policy of a bucket or key in another account.
pulumi.export("bucketPolicyStatements", bucket_policy_statements)
pulumi.export("keyPolicyStatements", key_policy_statements)
