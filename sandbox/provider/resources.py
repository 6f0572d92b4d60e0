"""Which resources and functions does the stand-in provider have, and what do they ask of IAM?

It shares with pulumi-aws that `allowedAccountIds` may refuse an account. It leaves out: every other
resource, function and property (each is refused by name), `namePrefix`, `ignoreTags`, assumed roles and
profiles, retries of its own beyond those of botocore, and the parts of IAM that moto does not have. What
AWS itself refuses is decided in `sandbox/iam_rules.py`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sandbox.provider.calls import ProviderError, call, client, partition, unless_gone
from sandbox.provider.lifecycle import Configuration, Properties, Property, Resource, from_json


def configure(arguments: Properties) -> Configuration:
    """Read the provider's settings; refuse a missing Region and an account that is not allowed."""
    settings = {name: from_json(value) for name, value in arguments.items()}
    region = settings.get("region")
    if not region:
        raise ProviderError(
            "aws:region is not set; `pulumi config set aws:region us-east-1` sets it. (The sandbox "
            "takes no Region from your environment.)"
        )
    configuration = Configuration(region, (settings.get("defaultTags") or {}).get("tags") or {})
    if allowed := settings.get("allowedAccountIds"):
        account = _caller(configuration)["Account"]
        if account not in map(str, allowed):
            raise ProviderError(f"AWS account ID not allowed: {account}; allowed are {allowed}")
    return configuration


def invoke(configuration: Configuration, token: str) -> Properties:
    """Answer a function of the provider."""
    if token not in FUNCTIONS:
        raise ProviderError(f"the sandbox has no function {token}; it has {', '.join(FUNCTIONS)}")
    return FUNCTIONS[token](configuration)


def find(token: str) -> Resource:
    """Return the resource of a type; a child of a component brings its parents' types along."""
    kind = token.rpartition("$")[2]
    if kind not in RESOURCES:
        raise ProviderError(f"the sandbox has no resource {kind}; it has {', '.join(RESOURCES)}")
    return RESOURCES[kind]


class Role(Resource):
    """A role; its ID is its name.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/role/
    """

    token = "aws:iam/role:Role"
    properties: Mapping[str, Property] = {
        "name": Property(replaces=True),
        "path": Property(default="/", replaces=True),
        "description": Property(),
        "assumeRolePolicy": Property(required=True, document=True),
        "maxSessionDuration": Property("integer", default=3600),
        "permissionsBoundary": Property(),
        "forceDetachPolicies": Property("boolean", default=False),
        "tags": Property("object"),
        "tagsAll": Property("object", computed=True),
        "arn": Property(computed=True),
        "createDate": Property(computed=True),
        "uniqueId": Property(computed=True),
    }

    def fetch(self, iam: Any, identifier: str) -> Properties | None:
        """Read the role with its tags."""
        found = unless_gone(iam.get_role, RoleName=identifier)
        if found is None:
            return None
        role = found["Role"]
        return {
            "name": role["RoleName"],
            "path": role["Path"],
            "description": role.get("Description") or None,
            "assumeRolePolicy": json.dumps(role["AssumeRolePolicyDocument"]),
            "maxSessionDuration": role["MaxSessionDuration"],
            "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "tagsAll": {tag["Key"]: tag["Value"] for tag in role.get("Tags", [])},
            "arn": role["Arn"],
            "createDate": role["CreateDate"].isoformat(),
            "uniqueId": role["RoleId"],
        }

    def make(self, iam: Any, wanted: Properties) -> str:
        """Make the role, tags and boundary included, in one call."""
        optional = {
            "Description": wanted.get("description"),
            "PermissionsBoundary": wanted.get("permissionsBoundary"),
            "Tags": _tags(wanted["tagsAll"]),
        }
        iam.create_role(
            RoleName=wanted["name"],
            Path=wanted["path"],
            AssumeRolePolicyDocument=wanted["assumeRolePolicy"],
            MaxSessionDuration=int(wanted["maxSessionDuration"]),
            **{name: value for name, value in optional.items() if value},
        )
        return wanted["name"]

    def change(self, iam: Any, identifier: str, present: Properties, wanted: Properties) -> None:
        """Change what differs; each part has a call of its own."""

        def differs(*names: str) -> bool:
            return any(present.get(name) != wanted.get(name) for name in names)

        if differs("assumeRolePolicy"):
            iam.update_assume_role_policy(RoleName=identifier, PolicyDocument=wanted["assumeRolePolicy"])
        if differs("description", "maxSessionDuration"):
            iam.update_role(
                RoleName=identifier,
                Description=wanted.get("description") or "",
                MaxSessionDuration=int(wanted["maxSessionDuration"]),
            )
        if differs("permissionsBoundary"):
            if boundary := wanted.get("permissionsBoundary"):
                iam.put_role_permissions_boundary(RoleName=identifier, PermissionsBoundary=boundary)
            else:
                iam.delete_role_permissions_boundary(RoleName=identifier)
        old, new = present.get("tagsAll") or {}, wanted["tagsAll"]
        if gone := sorted(set(old) - set(new)):
            iam.untag_role(RoleName=identifier, TagKeys=gone)
        if added := dict(new.items() - old.items()):
            iam.tag_role(RoleName=identifier, Tags=_tags(added))

    def remove(self, iam: Any, identifier: str, state: Properties) -> None:
        """Remove the role, and its policies first where it was told to."""
        if state.get("forceDetachPolicies"):
            for name in _inline_names(iam, identifier) or []:
                unless_gone(iam.delete_role_policy, RoleName=identifier, PolicyName=name)
            for arn in _attached_arns(iam, identifier) or []:
                unless_gone(iam.detach_role_policy, RoleName=identifier, PolicyArn=arn)
        unless_gone(iam.delete_role, RoleName=identifier)


class RolePolicy(Resource):
    """An inline policy of a role; its ID is ROLE:NAME.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/rolepolicy/
    """

    token = "aws:iam/rolePolicy:RolePolicy"
    properties: Mapping[str, Property] = {
        "name": Property(replaces=True),
        "role": Property(required=True, replaces=True),
        "policy": Property(required=True, document=True),
    }

    def fetch(self, iam: Any, identifier: str) -> Properties | None:
        """Read the inline policy."""
        role, _, name = identifier.partition(":")
        found = unless_gone(iam.get_role_policy, RoleName=role, PolicyName=name)
        if found is None:
            return None
        return {"role": role, "name": name, "policy": json.dumps(found["PolicyDocument"])}

    def make(self, iam: Any, wanted: Properties) -> str:
        """Put the policy; IAM overwrites one of the same name."""
        iam.put_role_policy(
            RoleName=wanted["role"], PolicyName=wanted["name"], PolicyDocument=wanted["policy"]
        )
        return f"{wanted['role']}:{wanted['name']}"

    def change(self, iam: Any, identifier: str, present: Properties, wanted: Properties) -> None:
        """Put the new text in place of the old."""
        del identifier, present
        self.make(iam, wanted)

    def remove(self, iam: Any, identifier: str, state: Properties) -> None:
        """Remove the inline policy."""
        del state
        role, _, name = identifier.partition(":")
        unless_gone(iam.delete_role_policy, RoleName=role, PolicyName=name)


class Policy(Resource):
    """A managed policy; its ID is its ARN. It can be made and removed, not changed.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/policy/
    """

    token = "aws:iam/policy:Policy"
    properties: Mapping[str, Property] = {
        "name": Property(replaces=True),
        "policy": Property(required=True, replaces=True, document=True),
        "arn": Property(computed=True),
    }

    def fetch(self, iam: Any, identifier: str) -> Properties | None:
        """Read the policy with the text of its default version."""
        found = unless_gone(iam.get_policy, PolicyArn=identifier)
        if found is None:
            return None
        policy = found["Policy"]
        version = iam.get_policy_version(PolicyArn=identifier, VersionId=policy["DefaultVersionId"])
        text = json.dumps(version["PolicyVersion"]["Document"])
        return {"name": policy["PolicyName"], "policy": text, "arn": policy["Arn"]}

    def make(self, iam: Any, wanted: Properties) -> str:
        """Make the policy."""
        made = iam.create_policy(PolicyName=wanted["name"], PolicyDocument=wanted["policy"])
        return made["Policy"]["Arn"]

    def remove(self, iam: Any, identifier: str, state: Properties) -> None:
        """Remove the policy."""
        del state
        unless_gone(iam.delete_policy, PolicyArn=identifier)


class RolePolicyAttachment(Resource):
    """The attachment of a managed policy to a role; its ID is ROLE-ARN, and it cannot be changed.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/rolepolicyattachment/
    """

    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    properties: Mapping[str, Property] = {
        "role": Property(required=True, replaces=True),
        "policyArn": Property(required=True, replaces=True),
    }

    def fetch(self, iam: Any, identifier: str) -> Properties | None:
        """Look whether the policy is attached."""
        role, _, arn = identifier.partition("-arn:")
        arn = f"arn:{arn}"
        return {"role": role, "policyArn": arn} if arn in (_attached_arns(iam, role) or ()) else None

    def make(self, iam: Any, wanted: Properties) -> str:
        """Attach the policy."""
        iam.attach_role_policy(RoleName=wanted["role"], PolicyArn=wanted["policyArn"])
        return f"{wanted['role']}-{wanted['policyArn']}"

    def remove(self, iam: Any, identifier: str, state: Properties) -> None:
        """Detach the policy."""
        del identifier
        unless_gone(iam.detach_role_policy, RoleName=state["role"], PolicyArn=state["policyArn"])


class Exclusive(Resource):
    """Ownership of all policies of one kind that a role has; its ID is the role's name."""

    members: str
    """The property that lists the policies."""

    def present(self, iam: Any, role: str) -> list[str] | None:
        """Read which policies of this kind the role has; None without the role."""
        raise NotImplementedError

    def align(self, iam: Any, role: str, surplus: Sequence[str], missing: Sequence[str]) -> None:
        """Take the surplus away, and add what is missing where that is its business."""
        raise NotImplementedError

    def fetch(self, iam: Any, identifier: str) -> Properties | None:
        """Read which policies the role has."""
        members = self.present(iam, identifier)
        return None if members is None else {"roleName": identifier, self.members: members}

    def make(self, iam: Any, wanted: Properties) -> str:
        """Leave the role with the wanted policies."""
        role = wanted["roleName"]
        there, members = set(self.present(iam, role) or ()), set(wanted[self.members])
        self.align(iam, role, sorted(there - members), sorted(members - there))
        return role

    def change(self, iam: Any, identifier: str, present: Properties, wanted: Properties) -> None:
        """Do the same again."""
        del identifier, present
        self.make(iam, wanted)

    def remove(self, iam: Any, identifier: str, state: Properties) -> None:
        """Leave the policies alone: only their ownership ends."""
        del iam, identifier, state


class RolePoliciesExclusive(Exclusive):
    """Ownership of a role's inline policies; it adds none.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/rolepoliciesexclusive/
    """

    token = "aws:iam/rolePoliciesExclusive:RolePoliciesExclusive"
    members = "policyNames"
    properties: Mapping[str, Property] = {
        "roleName": Property(required=True, replaces=True),
        "policyNames": Property("array", required=True),
    }

    def present(self, iam: Any, role: str) -> list[str] | None:
        """Read the names of the inline policies."""
        return _inline_names(iam, role)

    def align(self, iam: Any, role: str, surplus: Sequence[str], missing: Sequence[str]) -> None:
        """Delete the surplus."""
        del missing
        for name in surplus:
            iam.delete_role_policy(RoleName=role, PolicyName=name)


class RolePolicyAttachmentsExclusive(Exclusive):
    """Ownership of a role's managed policies.

    https://www.pulumi.com/registry/packages/aws/api-docs/iam/rolepolicyattachmentsexclusive/
    """

    token = "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive"
    members = "policyArns"
    properties: Mapping[str, Property] = {
        "roleName": Property(required=True, replaces=True),
        "policyArns": Property("array", required=True),
    }

    def present(self, iam: Any, role: str) -> list[str] | None:
        """Read the ARNs of the attached policies."""
        return _attached_arns(iam, role)

    def align(self, iam: Any, role: str, surplus: Sequence[str], missing: Sequence[str]) -> None:
        """Detach the surplus, attach what is missing."""
        for arn in surplus:
            iam.detach_role_policy(RoleName=role, PolicyArn=arn)
        for arn in missing:
            iam.attach_role_policy(RoleName=role, PolicyArn=arn)


RESOURCES: Final[Mapping[str, Resource]] = {
    resource.token: resource
    for resource in (
        Role(),
        RolePolicy(),
        Policy(),
        RolePolicyAttachment(),
        RolePoliciesExclusive(),
        RolePolicyAttachmentsExclusive(),
    )
}


def _get_caller_identity(configuration: Configuration) -> Properties:
    caller = _caller(configuration)
    return {
        "id": caller["Account"],
        "accountId": caller["Account"],
        "arn": caller["Arn"],
        "userId": caller["UserId"],
    }


def _get_partition(configuration: Configuration) -> Properties:
    name, suffix = partition(configuration.region)
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


def _caller(configuration: Configuration) -> dict[str, str]:
    return call("ask STS", client("sts", configuration.region).get_caller_identity)


def _inline_names(iam: Any, role: str) -> list[str] | None:
    found = unless_gone(iam.list_role_policies, RoleName=role)
    return None if found is None else found["PolicyNames"]


def _attached_arns(iam: Any, role: str) -> list[str] | None:
    found = unless_gone(iam.list_attached_role_policies, RoleName=role)
    return None if found is None else [it["PolicyArn"] for it in found["AttachedPolicies"]]


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
