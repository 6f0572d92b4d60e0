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
from sandbox.provider.policy_equivalence import normalize


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
        "assumeRolePolicy": Property(required=True, document=True),
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

    def read(self, iam: Any, identifier: str, /) -> Properties | None:
        """Read the role with its tags and policies."""
        found = ignore_not_found(iam.get_role, RoleName=identifier)
        if found is None:
            return None
        role = found["Role"]
        tags = {tag["Key"]: tag["Value"] for tag in role.get("Tags", [])}
        return {
            "name": role["RoleName"],
            "path": role["Path"],
            "description": role.get("Description", ""),
            "assumeRolePolicy": json.dumps(role["AssumeRolePolicyDocument"]),
            "maxSessionDuration": role["MaxSessionDuration"],
            "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
            "inlinePolicies": [
                {"name": name, "policy": normalize(inline_policy(iam, identifier, name) or "{}")}
                for name in inline_names(iam, identifier) or []
            ],
            "managedPolicyArns": attached_arns(iam, identifier) or [],
            # Users cannot set tags with this prefix.
            "tagsAll": {key: value for key, value in tags.items() if not key.startswith("aws:")},
            "arn": role["Arn"],
            "createDate": role["CreateDate"].isoformat(),
            "uniqueId": role["RoleId"],
        }

    def create(self, iam: Any, desired: Properties, /) -> str:
        """Create the role with its tags and boundary in one call, and then add its policies."""
        name = desired["name"]
        optional = {
            "Description": desired.get("description"),
            "PermissionsBoundary": desired.get("permissionsBoundary"),
            "Tags": _tags(desired["tagsAll"]),
        }
        iam.create_role(
            RoleName=name,
            Path=desired["path"],
            AssumeRolePolicyDocument=desired["assumeRolePolicy"],
            MaxSessionDuration=int(desired["maxSessionDuration"]),
            **{parameter: value for parameter, value in optional.items() if value},
        )
        self._update_policies(iam, name, {}, desired)
        return name

    def update(self, iam: Any, identifier: str, actual: Properties, desired: Properties, /) -> None:
        """Update the properties that differ from the recorded state: tags first, policies last."""
        old, new = actual.get("tagsAll") or {}, desired.get("tagsAll") or {}
        if removed := sorted(set(old) - set(new)):
            iam.untag_role(RoleName=identifier, TagKeys=removed)
        if added := dict(new.items() - old.items()):
            iam.tag_role(RoleName=identifier, Tags=_tags(added))

        def differs(name: str) -> bool:
            return (actual.get(name) or None) != (desired.get(name) or None)

        if differs("assumeRolePolicy"):
            document = desired["assumeRolePolicy"]
            iam.update_assume_role_policy(RoleName=identifier, PolicyDocument=document)
        if differs("description"):
            description = desired.get("description") or ""
            iam.update_role_description(RoleName=identifier, Description=description)
        if differs("maxSessionDuration"):
            duration = int(desired["maxSessionDuration"])
            iam.update_role(RoleName=identifier, MaxSessionDuration=duration)
        if differs("permissionsBoundary"):
            if boundary := desired.get("permissionsBoundary"):
                iam.put_role_permissions_boundary(RoleName=identifier, PermissionsBoundary=boundary)
            else:
                iam.delete_role_permissions_boundary(RoleName=identifier)
        self._update_policies(iam, identifier, actual, desired)

    def _update_policies(self, iam: Any, role: str, actual: Properties, desired: Properties) -> None:
        """Update the policies in the role's own properties, `inlinePolicies` and `managedPolicyArns`."""
        old = {entry["name"]: entry["policy"] for entry in actual.get("inlinePolicies") or []}
        new = {entry["name"]: entry["policy"] for entry in desired.get("inlinePolicies") or []}
        for name in sorted(old.keys() - new.keys()):
            ignore_not_found(iam.delete_role_policy, RoleName=role, PolicyName=name)
        for name, policy in sorted(new.items() - old.items()):
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy)
        old_arns, new_arns = (
            actual.get("managedPolicyArns") or [],
            desired.get("managedPolicyArns") or [],
        )
        for arn in sorted(set(old_arns) - set(new_arns)):
            ignore_not_found(iam.detach_role_policy, RoleName=role, PolicyArn=arn)
        for arn in sorted(set(new_arns) - set(old_arns)):
            iam.attach_role_policy(RoleName=role, PolicyArn=arn)

    def delete(self, iam: Any, identifier: str, state: Properties, /) -> None:
        """Remove the role from its instance profiles and delete the role.

        Before the deletion, delete all inline policies if the state contains any, and detach all managed
        policies if the state contains any. With `forceDetachPolicies`, always do both.
        """
        profiles = ignore_not_found(iam.list_instance_profiles_for_role, RoleName=identifier) or {}
        for profile in profiles.get("InstanceProfiles", []):
            ignore_not_found(
                iam.remove_role_from_instance_profile,
                RoleName=identifier,
                InstanceProfileName=profile["InstanceProfileName"],
            )
        force = state.get("forceDetachPolicies")
        if force or state.get("managedPolicyArns"):
            for arn in attached_arns(iam, identifier) or []:
                ignore_not_found(iam.detach_role_policy, RoleName=identifier, PolicyArn=arn)
        if force or state.get("inlinePolicies"):
            for name in inline_names(iam, identifier) or []:
                ignore_not_found(iam.delete_role_policy, RoleName=identifier, PolicyName=name)
        # With `--run-program`, the engine deletes a replaced role while its policy might still exist.
        delete_after_conflicts(iam.delete_role, RoleName=identifier)


class RolePolicy(Resource):
    """A role's inline policy; its ID is ROLE:NAME.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/rolepolicy/
    """

    token = "aws:iam/rolePolicy:RolePolicy"
    properties: Mapping[str, Property] = {
        "name": Property(replaces=True),
        "role": Property(required=True, replaces=True),
        "policy": Property(required=True, document=True),
    }

    def read(self, iam: Any, identifier: str, /) -> Properties | None:
        role, _, name = identifier.partition(":")
        policy = inline_policy(iam, role, name)
        return None if policy is None else {"role": role, "name": name, "policy": policy}

    def create(self, iam: Any, desired: Properties, /) -> str:
        """Put the policy; IAM overwrites an existing policy with the same name."""
        iam.put_role_policy(
            RoleName=desired["role"], PolicyName=desired["name"], PolicyDocument=desired["policy"]
        )
        return f"{desired['role']}:{desired['name']}"

    def update(self, iam: Any, _identifier: str, _actual: Properties, desired: Properties, /) -> None:
        self.create(iam, desired)

    def delete(self, iam: Any, identifier: str, _state: Properties, /) -> None:
        role, _, name = identifier.partition(":")
        ignore_not_found(iam.delete_role_policy, RoleName=role, PolicyName=name)


class Policy(Resource):
    """A managed policy; its ID is its ARN. It can be created and deleted, but not updated.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/policy/
    """

    token = "aws:iam/policy:Policy"
    properties: Mapping[str, Property] = {
        "name": Property(replaces=True),
        "policy": Property(required=True, replaces=True, document=True),
        "arn": Property(output_only=True),
    }

    def read(self, iam: Any, identifier: str, /) -> Properties | None:
        """Read the policy with the text of its default version."""
        found = ignore_not_found(iam.get_policy, PolicyArn=identifier)
        if found is None:
            return None
        policy = found["Policy"]
        version = iam.get_policy_version(PolicyArn=identifier, VersionId=policy["DefaultVersionId"])
        text = json.dumps(version["PolicyVersion"]["Document"])
        return {"name": policy["PolicyName"], "policy": text, "arn": policy["Arn"]}

    def create(self, iam: Any, desired: Properties, /) -> str:
        created = iam.create_policy(PolicyName=desired["name"], PolicyDocument=desired["policy"])
        return created["Policy"]["Arn"]

    def delete(self, iam: Any, identifier: str, _state: Properties, /) -> None:
        ignore_not_found(iam.delete_policy, PolicyArn=identifier)


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

    def read(self, iam: Any, identifier: str, /) -> Properties | None:
        """Return the attachment; None if the policy is not attached."""
        role, _, arn = identifier.partition("-arn:")
        arn = f"arn:{arn}"
        return {"role": role, "policyArn": arn} if arn in (attached_arns(iam, role) or ()) else None

    def create(self, iam: Any, desired: Properties, /) -> str:
        iam.attach_role_policy(RoleName=desired["role"], PolicyArn=desired["policyArn"])
        return f"{desired['role']}-{desired['policyArn']}"

    def delete(self, iam: Any, _identifier: str, state: Properties, /) -> None:
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

    def read(self, iam: Any, identifier: str, /) -> Properties | None:
        """Read the provider with its URL's scheme, which IAM omits and `suppressOpenIDURL` ignores."""
        found = ignore_not_found(iam.get_open_id_connect_provider, OpenIDConnectProviderArn=identifier)
        if found is None:
            return None
        url = f"https://{found['Url'].removeprefix('https://')}"
        return {"url": url, "clientIdLists": found["ClientIDList"], "arn": identifier}

    def create(self, iam: Any, desired: Properties, /) -> str:
        """Create the provider without thumbprints."""
        created = iam.create_open_id_connect_provider(
            Url=desired["url"], ClientIDList=desired["clientIdLists"]
        )
        return created["OpenIDConnectProviderArn"]

    def delete(self, iam: Any, identifier: str, _state: Properties, /) -> None:
        ignore_not_found(iam.delete_open_id_connect_provider, OpenIDConnectProviderArn=identifier)


class Exclusive(Resource):
    """Ownership of all of a role's inline policies or managed policies; its ID is the role's name.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/rolepoliciesexclusive/,
    https://www.pulumi.com/registry/packages/aws/api-docs/iam/rolepolicyattachmentsexclusive/
    """

    framework = True
    properties: Mapping[str, Property] = {}

    def __init__(
        self,
        token: str,
        list_property: str,
        found: Callable[[Any, str], Sequence[str] | None],
        add: Callable[[Any, str, str], object],
        remove: Callable[[Any, str, str], object],
    ) -> None:
        """Store the list property's name, and the functions that list, add, and remove policies.

        `found` returns the policies; None if the role does not exist.
        """
        self.token = token
        self.list_property = list_property
        self.properties = {
            "roleName": Property(required=True, replaces=True),
            list_property: Property("array", required=True),
        }
        self.found, self.add, self.remove = found, add, remove

    def read(self, iam: Any, identifier: str, /) -> Properties | None:
        policies = self.found(iam, identifier)
        return None if policies is None else {"roleName": identifier, self.list_property: policies}

    def create(self, iam: Any, desired: Properties, /) -> str:
        """Add missing policies, then remove unlisted ones, like the real provider's `syncAttachments`.

        Raises ProviderError if the role does not exist.
        """
        role, policies = desired["roleName"], set(desired[self.list_property])
        found = self.found(iam, role)
        if found is None:  # as in the real provider, do not retry, and omit IAM's error code
            raise ProviderError(f"{role}: couldn't find resource")
        for policy in sorted(policies.difference(found)):
            self.add(iam, role, policy)
        for policy in sorted(set(found) - policies):
            self.remove(iam, role, policy)
        return role

    def update(self, iam: Any, _identifier: str, _actual: Properties, desired: Properties, /) -> None:
        self.create(iam, desired)

    def delete(self, _iam: Any, _identifier: str, _state: Properties, /) -> None:
        """End the ownership; keep the policies."""


def inline_policy(iam: Any, role: str, name: str) -> str | None:
    """Return an inline policy's text; None if the policy or the role does not exist."""
    found = ignore_not_found(iam.get_role_policy, RoleName=role, PolicyName=name)
    return None if found is None else json.dumps(found["PolicyDocument"])


def inline_names(iam: Any, role: str) -> Sequence[str] | None:
    """Return the names of a role's inline policies; None if the role does not exist."""
    found = ignore_not_found(iam.list_role_policies, RoleName=role)
    return None if found is None else found["PolicyNames"]


def attached_arns(iam: Any, role: str) -> Sequence[str] | None:
    """Return the ARNs of a role's managed policies; None if the role does not exist."""
    found = ignore_not_found(iam.list_attached_role_policies, RoleName=role)
    return None if found is None else [policy["PolicyArn"] for policy in found["AttachedPolicies"]]


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


_RESOURCES: Final[Sequence[Resource]] = (
    Role(),
    RolePolicy(),
    Policy(),
    RolePolicyAttachment(),
    OpenIdConnectProvider(),
    Exclusive(
        "aws:iam/rolePoliciesExclusive:RolePoliciesExclusive",
        "policyNames",
        inline_names,
        # As in the real provider, the call has no document, so the AWS SDK rejects it.
        lambda iam, role, name: iam.put_role_policy(RoleName=role, PolicyName=name),
        lambda iam, role, name: iam.delete_role_policy(RoleName=role, PolicyName=name),
    ),
    Exclusive(
        "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive",
        "policyArns",
        attached_arns,
        lambda iam, role, arn: iam.attach_role_policy(RoleName=role, PolicyArn=arn),
        # The policy may have been detached in the meantime (`detachPolicyFromRole`).
        lambda iam, role, arn: ignore_not_found(iam.detach_role_policy, RoleName=role, PolicyArn=arn),
    ),
)
RESOURCES: Final = {resource.token: partial(Lifecycle, resource) for resource in _RESOURCES}


def _get_caller_identity(configuration: Configuration) -> Properties:
    answer = read_caller_identity(configuration)
    return {
        "id": answer["Account"],
        "accountId": answer["Account"],
        "arn": answer["Arn"],
        "userId": answer["UserId"],
    }


def _get_partition(configuration: Configuration) -> Properties:
    name, suffix = look_up_partition(configuration.region)
    prefix = ".".join(reversed(suffix.split(".")))
    return {"id": name, "partition": name, "dnsSuffix": suffix, "reverseDnsPrefix": prefix}


def _get_region(configuration: Configuration) -> Properties:
    region = configuration.region
    return {"id": region, "name": region, "region": region, "description": region, "endpoint": ""}


FUNCTIONS: Final[Mapping[str, Callable[[Configuration], Properties]]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _get_caller_identity,
    "aws:index/getPartition:getPartition": _get_partition,
    "aws:index/getRegion:getRegion": _get_region,
}


SCHEMA: Final = {resource.token: resource.properties for resource in _RESOURCES}
