"""Provide the sandbox's functions and IAM resources, which imitate those of version 7 of pulumi-aws.

Error messages list the supported resources, functions, and properties. `sandbox/iam_rules.py` implements
IAM's validation. `sandbox/provider/__init__.py` lists the differences from the real provider.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from sandbox.provider.calls import (
    ProviderError,
    delete_after_conflicts,
    ignore_not_found,
    look_up_partition,
)
from sandbox.provider.configuration import Configuration, Properties, read_caller_identity
from sandbox.provider.lifecycle import Lifecycle, Property, Resource
from sandbox.provider.policy_equivalence import normalize_policy


class Role(Resource):
    """A role; its ID is its name.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/role/. The calls and their order come from
    `internal/service/iam/role.go` in terraform-provider-aws.
    """

    token = "aws:iam/role:Role"
    properties: Mapping[str, Property] = {
        "name": Property(replaces=True),
        "path": Property(default="/", replaces=True),
        "description": Property(),
        "assumeRolePolicy": Property(required=True, is_document=True),
        "maxSessionDuration": Property("integer", default=3600),
        "permissionsBoundary": Property(),
        "forceDetachPolicies": Property("boolean", default=False, imported=True),
        "inlinePolicies": Property("policies", computed=True),
        "managedPolicyArns": Property("array", computed=True),
        "tags": Property("object"),
        "tagsAll": Property("object", computed=True),
        "arn": Property(output_only=True),
        "createDate": Property(output_only=True),
        "uniqueId": Property(output_only=True),
    }

    def read(self, iam: Any, role_name: str, /) -> Properties | None:
        """Read the role with its tags and policies."""
        response = ignore_not_found(iam.get_role, RoleName=role_name)
        if response is None:
            return None
        role = response["Role"]
        inline_policies = [
            {
                "name": policy_name,
                "policy": normalize_policy(find_inline_policy(iam, role_name, policy_name) or "{}"),
            }
            for policy_name in find_inline_policy_names(iam, role_name) or []
        ]
        return {
            "name": role["RoleName"],
            "path": role["Path"],
            "description": role.get("Description", ""),
            "assumeRolePolicy": json.dumps(role["AssumeRolePolicyDocument"]),
            "maxSessionDuration": role["MaxSessionDuration"],
            "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
            "inlinePolicies": inline_policies,
            "managedPolicyArns": find_attached_policy_arns(iam, role_name) or [],
            # Users cannot set tags with this prefix.
            "tagsAll": {
                tag["Key"]: tag["Value"]
                for tag in role.get("Tags", [])
                if not tag["Key"].startswith("aws:")
            },
            "arn": role["Arn"],
            "createDate": role["CreateDate"].isoformat(),
            "uniqueId": role["RoleId"],
        }

    def create(self, iam: Any, desired: Properties, /) -> str:
        """Create the role with its tags and boundary in one call, and then add its policies."""
        role_name = desired["name"]
        optional_parameters = {
            "Description": desired.get("description"),
            "PermissionsBoundary": desired.get("permissionsBoundary"),
            "Tags": _render_tags(desired["tagsAll"]),
        }
        iam.create_role(
            RoleName=role_name,
            Path=desired["path"],
            AssumeRolePolicyDocument=desired["assumeRolePolicy"],
            MaxSessionDuration=int(desired["maxSessionDuration"]),
            **{key: content for key, content in optional_parameters.items() if content},
        )
        self._update_policies(iam, role_name, {}, desired)
        return role_name

    def update(self, iam: Any, role_name: str, recorded: Properties, desired: Properties, /) -> None:
        """Update the properties that differ from the recorded state: tags first, policies last."""
        recorded_tags = recorded.get("tagsAll") or {}
        desired_tags = desired.get("tagsAll") or {}
        removed_tag_keys = sorted(set(recorded_tags) - set(desired_tags))
        if removed_tag_keys:
            iam.untag_role(RoleName=role_name, TagKeys=removed_tag_keys)
        changed_tags = dict(desired_tags.items() - recorded_tags.items())
        if changed_tags:
            iam.tag_role(RoleName=role_name, Tags=_render_tags(changed_tags))

        def differs(key: str) -> bool:
            return (recorded.get(key) or None) != (desired.get(key) or None)

        if differs("assumeRolePolicy"):
            trust_policy = desired["assumeRolePolicy"]
            iam.update_assume_role_policy(RoleName=role_name, PolicyDocument=trust_policy)
        if differs("description"):
            description = desired.get("description") or ""
            iam.update_role_description(RoleName=role_name, Description=description)
        if differs("maxSessionDuration"):
            duration = int(desired["maxSessionDuration"])
            iam.update_role(RoleName=role_name, MaxSessionDuration=duration)
        if differs("permissionsBoundary"):
            if boundary_arn := desired.get("permissionsBoundary"):
                iam.put_role_permissions_boundary(RoleName=role_name, PermissionsBoundary=boundary_arn)
            else:
                iam.delete_role_permissions_boundary(RoleName=role_name)
        self._update_policies(iam, role_name, recorded, desired)

    def _update_policies(
        self, iam: Any, role_name: str, recorded: Properties, desired: Properties
    ) -> None:
        """Update the policies in the role's own properties, `inlinePolicies` and `managedPolicyArns`."""
        recorded_policies = _index_inline_policies(recorded)
        desired_policies = _index_inline_policies(desired)
        for policy_name in sorted(recorded_policies.keys() - desired_policies.keys()):
            ignore_not_found(iam.delete_role_policy, RoleName=role_name, PolicyName=policy_name)
        for policy_name, policy in sorted(desired_policies.items() - recorded_policies.items()):
            iam.put_role_policy(RoleName=role_name, PolicyName=policy_name, PolicyDocument=policy)
        recorded_arns = set(recorded.get("managedPolicyArns") or [])
        desired_arns = set(desired.get("managedPolicyArns") or [])
        for policy_arn in sorted(recorded_arns - desired_arns):
            ignore_not_found(iam.detach_role_policy, RoleName=role_name, PolicyArn=policy_arn)
        for policy_arn in sorted(desired_arns - recorded_arns):
            iam.attach_role_policy(RoleName=role_name, PolicyArn=policy_arn)

    def delete(self, iam: Any, role_name: str, state: Properties, /) -> None:
        """Remove the role from its instance profiles and delete the role.

        Before the deletion, delete all inline policies if the state contains any, and detach all managed
        policies if the state contains any. With `forceDetachPolicies`, always do both.
        """
        response = ignore_not_found(iam.list_instance_profiles_for_role, RoleName=role_name) or {}
        for instance_profile in response.get("InstanceProfiles", []):
            ignore_not_found(
                iam.remove_role_from_instance_profile,
                RoleName=role_name,
                InstanceProfileName=instance_profile["InstanceProfileName"],
            )
        detaches_all = state.get("forceDetachPolicies")
        if detaches_all or state.get("managedPolicyArns"):
            for policy_arn in find_attached_policy_arns(iam, role_name) or []:
                ignore_not_found(iam.detach_role_policy, RoleName=role_name, PolicyArn=policy_arn)
        if detaches_all or state.get("inlinePolicies"):
            for policy_name in find_inline_policy_names(iam, role_name) or []:
                ignore_not_found(iam.delete_role_policy, RoleName=role_name, PolicyName=policy_name)
        # With `--run-program`, the engine deletes a replaced role while its policy might still exist.
        delete_after_conflicts(iam.delete_role, RoleName=role_name)


class RolePolicy(Resource):
    """A role's inline policy; its ID is ROLE:NAME.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/rolepolicy/
    """

    token = "aws:iam/rolePolicy:RolePolicy"
    properties: Mapping[str, Property] = {
        "name": Property(replaces=True),
        "role": Property(required=True, replaces=True),
        "policy": Property(required=True, is_document=True),
    }

    def read(self, iam: Any, resource_id: str, /) -> Properties | None:
        role_name, _, policy_name = resource_id.partition(":")
        policy = find_inline_policy(iam, role_name, policy_name)
        if policy is None:
            return None
        return {"role": role_name, "name": policy_name, "policy": policy}

    def create(self, iam: Any, desired: Properties, /) -> str:
        """Put the policy; IAM overwrites an existing policy with the same name."""
        iam.put_role_policy(
            RoleName=desired["role"], PolicyName=desired["name"], PolicyDocument=desired["policy"]
        )
        return f"{desired['role']}:{desired['name']}"

    def update(self, iam: Any, _resource_id: str, _recorded: Properties, desired: Properties, /) -> None:
        self.create(iam, desired)

    def delete(self, iam: Any, resource_id: str, _state: Properties, /) -> None:
        role_name, _, policy_name = resource_id.partition(":")
        ignore_not_found(iam.delete_role_policy, RoleName=role_name, PolicyName=policy_name)


class Policy(Resource):
    """A managed policy; its ID is its ARN. It can be created and deleted, but not updated.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/policy/
    """

    token = "aws:iam/policy:Policy"
    properties: Mapping[str, Property] = {
        "name": Property(replaces=True),
        "policy": Property(required=True, replaces=True, is_document=True),
        "arn": Property(output_only=True),
    }

    def read(self, iam: Any, policy_arn: str, /) -> Properties | None:
        """Read the policy with the text of its default version."""
        response = ignore_not_found(iam.get_policy, PolicyArn=policy_arn)
        if response is None:
            return None
        policy = response["Policy"]
        version_id = policy["DefaultVersionId"]
        version = iam.get_policy_version(PolicyArn=policy_arn, VersionId=version_id)["PolicyVersion"]
        document = json.dumps(version["Document"])
        return {"name": policy["PolicyName"], "policy": document, "arn": policy["Arn"]}

    def create(self, iam: Any, desired: Properties, /) -> str:
        response = iam.create_policy(PolicyName=desired["name"], PolicyDocument=desired["policy"])
        return response["Policy"]["Arn"]

    def delete(self, iam: Any, policy_arn: str, _state: Properties, /) -> None:
        ignore_not_found(iam.delete_policy, PolicyArn=policy_arn)


class RolePolicyAttachment(Resource):
    """The attachment of a managed policy to a role; its ID is ROLE-ARN. It cannot be updated.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/rolepolicyattachment/
    """

    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    deletes_before_replacing = True
    properties: Mapping[str, Property] = {
        "role": Property(required=True, replaces=True),
        "policyArn": Property(required=True, replaces=True),
    }

    def read(self, iam: Any, resource_id: str, /) -> Properties | None:
        """Return the attachment; None if the policy is not attached."""
        role_name, _, arn_end = resource_id.partition("-arn:")
        policy_arn = f"arn:{arn_end}"
        if policy_arn not in (find_attached_policy_arns(iam, role_name) or ()):
            return None
        return {"role": role_name, "policyArn": policy_arn}

    def create(self, iam: Any, desired: Properties, /) -> str:
        iam.attach_role_policy(RoleName=desired["role"], PolicyArn=desired["policyArn"])
        return f"{desired['role']}-{desired['policyArn']}"

    def delete(self, iam: Any, _resource_id: str, state: Properties, /) -> None:
        ignore_not_found(iam.detach_role_policy, RoleName=state["role"], PolicyArn=state["policyArn"])


class OpenIdConnectProvider(Resource):
    """An OpenID Connect provider; its ID is its ARN. It can be created and deleted, but not updated.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/openidconnectprovider/. The calls come from
    `internal/service/iam/openid_connect_provider.go` in terraform-provider-aws.
    """

    token = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
    properties: Mapping[str, Property] = {
        "url": Property(required=True, replaces=True),
        "clientIdLists": Property("array", required=True, replaces=True),
        "arn": Property(output_only=True),
    }

    def read(self, iam: Any, provider_arn: str, /) -> Properties | None:
        """Read the provider with its URL's scheme, which IAM omits and `suppressOpenIDURL` ignores."""
        response = ignore_not_found(
            iam.get_open_id_connect_provider, OpenIDConnectProviderArn=provider_arn
        )
        if response is None:
            return None
        url = f"https://{response['Url'].removeprefix('https://')}"
        return {"url": url, "clientIdLists": response["ClientIDList"], "arn": provider_arn}

    def create(self, iam: Any, desired: Properties, /) -> str:
        """Create the provider without thumbprints."""
        response = iam.create_open_id_connect_provider(
            Url=desired["url"], ClientIDList=desired["clientIdLists"]
        )
        return response["OpenIDConnectProviderArn"]

    def delete(self, iam: Any, provider_arn: str, _state: Properties, /) -> None:
        ignore_not_found(iam.delete_open_id_connect_provider, OpenIDConnectProviderArn=provider_arn)


class ExclusivePolicies(Resource):
    """Ownership of all of a role's inline policies or managed policies; its ID is the role's name.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/rolepoliciesexclusive/,
    https://www.pulumi.com/registry/packages/aws/api-docs/iam/rolepolicyattachmentsexclusive/
    """

    uses_framework = True
    properties: Mapping[str, Property] = {}

    def __init__(
        self,
        token: str,
        list_property: str,
        find_policies: Callable[[Any, str], Sequence[str] | None],
        add_policy: Callable[[Any, str, str], object],
        remove_policy: Callable[[Any, str, str], object],
    ) -> None:
        """Store the list property's name, and the functions that list, add, and remove policies.

        `find_policies` returns the policies; None if the role does not exist.
        """
        self.token = token
        self.list_property = list_property
        self.properties = {
            "roleName": Property(required=True, replaces=True),
            list_property: Property("array", required=True),
        }
        self.find_policies = find_policies
        self.add_policy = add_policy
        self.remove_policy = remove_policy

    def read(self, iam: Any, role_name: str, /) -> Properties | None:
        policies = self.find_policies(iam, role_name)
        return None if policies is None else {"roleName": role_name, self.list_property: policies}

    def create(self, iam: Any, desired: Properties, /) -> str:
        """Add missing policies, then remove unlisted ones, like the real provider's `syncAttachments`.

        Raises ProviderError if the role does not exist.
        """
        role_name = desired["roleName"]
        desired_policies = set(desired[self.list_property])
        actual_policies = self.find_policies(iam, role_name)
        if actual_policies is None:  # as in the real provider, do not retry, and omit IAM's error code
            raise ProviderError(f"{role_name}: couldn't find resource")
        for policy in sorted(desired_policies.difference(actual_policies)):
            self.add_policy(iam, role_name, policy)
        for policy in sorted(set(actual_policies) - desired_policies):
            self.remove_policy(iam, role_name, policy)
        return role_name

    def update(self, iam: Any, _role_name: str, _recorded: Properties, desired: Properties, /) -> None:
        self.create(iam, desired)

    def delete(self, _iam: Any, _role_name: str, _state: Properties, /) -> None:
        """End the ownership; keep the policies."""


def find_inline_policy(iam: Any, role_name: str, policy_name: str) -> str | None:
    """Return an inline policy's text; None if the policy or the role does not exist."""
    response = ignore_not_found(iam.get_role_policy, RoleName=role_name, PolicyName=policy_name)
    return None if response is None else json.dumps(response["PolicyDocument"])


def find_inline_policy_names(iam: Any, role_name: str) -> Sequence[str] | None:
    """Return the names of a role's inline policies; None if the role does not exist."""
    response = ignore_not_found(iam.list_role_policies, RoleName=role_name)
    return None if response is None else response["PolicyNames"]


def find_attached_policy_arns(iam: Any, role_name: str) -> Sequence[str] | None:
    """Return the ARNs of a role's managed policies; None if the role does not exist."""
    response = ignore_not_found(iam.list_attached_role_policies, RoleName=role_name)
    if response is None:
        return None
    return [policy["PolicyArn"] for policy in response["AttachedPolicies"]]


def _index_inline_policies(properties: Properties) -> dict[str, str]:
    """Return the documents in a role's property `inlinePolicies`, by policy name."""
    inline_policies = properties.get("inlinePolicies") or []
    return {policy["name"]: policy["policy"] for policy in inline_policies}


def _render_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": tag_key, "Value": tag_value} for tag_key, tag_value in sorted(tags.items())]


_RESOURCES: Final[Sequence[Resource]] = (
    Role(),
    RolePolicy(),
    Policy(),
    RolePolicyAttachment(),
    OpenIdConnectProvider(),
    ExclusivePolicies(
        "aws:iam/rolePoliciesExclusive:RolePoliciesExclusive",
        "policyNames",
        find_inline_policy_names,
        # As in the real provider, the call has no document, so the AWS SDK rejects it.
        lambda iam, role_name, policy_name: iam.put_role_policy(
            RoleName=role_name, PolicyName=policy_name
        ),
        lambda iam, role_name, policy_name: iam.delete_role_policy(
            RoleName=role_name, PolicyName=policy_name
        ),
    ),
    ExclusivePolicies(
        "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive",
        "policyArns",
        find_attached_policy_arns,
        lambda iam, role_name, policy_arn: iam.attach_role_policy(
            RoleName=role_name, PolicyArn=policy_arn
        ),
        # The policy may have been detached in the meantime (`detachPolicyFromRole`).
        lambda iam, role_name, policy_arn: ignore_not_found(
            iam.detach_role_policy, RoleName=role_name, PolicyArn=policy_arn
        ),
    ),
)
LIFECYCLE_BY_TOKEN: Final = {resource.token: partial(Lifecycle, resource) for resource in _RESOURCES}


def _get_caller_identity(configuration: Configuration) -> Properties:
    identity = read_caller_identity(configuration)
    return {
        "id": identity["Account"],
        "accountId": identity["Account"],
        "arn": identity["Arn"],
        "userId": identity["UserId"],
    }


def _get_partition(configuration: Configuration) -> Properties:
    partition, dns_suffix = look_up_partition(configuration.region)
    return {
        "id": partition,
        "partition": partition,
        "dnsSuffix": dns_suffix,
        "reverseDnsPrefix": ".".join(reversed(dns_suffix.split("."))),
    }


def _get_region(configuration: Configuration) -> Properties:
    region = configuration.region
    return {"id": region, "name": region, "region": region, "description": region, "endpoint": ""}


FUNCTION_BY_TOKEN: Final[Mapping[str, Callable[[Configuration], Properties]]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _get_caller_identity,
    "aws:index/getPartition:getPartition": _get_partition,
    "aws:index/getRegion:getRegion": _get_region,
}


PROPERTIES_BY_TOKEN: Final = {resource.token: resource.properties for resource in _RESOURCES}
