"""What can the stand-in provider make, and how does it behave where the real one is peculiar?

Peculiarities that it shares with pulumi-aws 7: automatic names of the resource's name, a hyphen and
seven characters; JSON documents compared by meaning; deletion before replacement where the user
chose the name; the provider's default tags in `tagsAll`; `allowedAccountIds`.

It leaves out: every other resource, function and property (each is refused by name), `namePrefix`,
`ignoreTags`, assumed roles and profiles, retries of its own beyond those of botocore, and the parts of
IAM that moto does not have. What AWS itself refuses is decided in `sandbox/iam_rules.py`.
"""

import functools
import json
import os
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

Properties = dict[str, Any]

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the protocol sends in place of a value that is not known yet."""
_DEFAULTS: Final = "__defaults"
"""Names the properties that the provider and not the user has set, as the real provider does."""
_PATIENCE: Final = 30
"""Seconds until a call to IAM counts as lost."""


class ProviderError(Exception):
    """Raised with a message for the user when something cannot be done."""


class HalfDoneError(ProviderError):
    """Raised when IAM has done what it was asked, and reading the result failed."""

    def __init__(self, identifier: str, state: Properties, reason: str) -> None:
        """Say what there is by now."""
        super().__init__(reason)
        self.identifier = identifier
        self.state = state


class Configuration(NamedTuple):
    """What the provider was configured with."""

    region: str = ""
    default_tags: Mapping[str, str] = {}


class Property(NamedTuple):
    """One property of a resource."""

    kind: str = "string"
    """Its type in a Pulumi schema: string, boolean, integer, or an object or array of strings."""
    default: object = None
    required: bool = False
    replaces: bool = False
    """Whether a change of it makes another resource."""
    document: bool = False
    """Whether it is a policy document, compared by meaning."""
    computed: bool = False
    """Whether IAM sets it."""


class Diff(NamedTuple):
    """How a resource would change."""

    changed: Mapping[str, str]
    """ADD, UPDATE or DELETE for each property."""
    replaces: Sequence[str]
    delete_first: bool


def configure(arguments: Properties) -> Configuration:
    """Read the provider's settings; refuse a missing Region and an account that is not allowed."""
    settings = {name: _from_json(value) for name, value in arguments.items()}
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


def find(token: str) -> "Resource":
    """Return the resource of a type; a child of a component brings its parents' types along."""
    kind = token.rpartition("$")[2]
    if kind not in RESOURCES:
        raise ProviderError(f"the sandbox has no resource {kind}; it has {', '.join(RESOURCES)}")
    return RESOURCES[kind]


def warm_up() -> None:
    """Load what the first call needs, while the engine still waits for the program."""
    threading.Thread(target=_botocore, daemon=True).start()


class Resource:
    """What all resources have in common; a subclass says what IAM has to do."""

    token: str
    properties: Mapping[str, Property]

    # The three answers of IAM, as properties.

    def fetch(self, iam: Any, identifier: str) -> Properties | None:
        """Return the resource as it is, None if it is not there."""
        raise NotImplementedError

    def make(self, iam: Any, wanted: Properties) -> str:
        """Make the resource and return its ID."""
        raise NotImplementedError

    def change(self, iam: Any, identifier: str, present: Properties, wanted: Properties) -> None:
        """Turn the resource as it is into the one that is wanted."""
        raise NotImplementedError

    def remove(self, iam: Any, identifier: str, state: Properties) -> None:
        """Remove the resource; one that is gone already is no error."""
        raise NotImplementedError

    # What the engine asks.

    def check(
        self, name: str, olds: Properties, news: Properties, seed: bytes
    ) -> tuple[Properties, list[tuple[str, str]]]:
        """Return the inputs with their defaults, and what is wrong with them."""
        known = {name for name, it in self.properties.items() if not it.computed}
        given = {name: value for name, value in news.items() if not name.startswith("__")}
        failures = [
            (other, f"the sandbox's {self.token} has no {other}; it has {', '.join(sorted(known))}")
            for other in sorted(set(given) - known)
        ]
        defaults = {
            name: it.default
            for name, it in self.properties.items()
            if it.default is not None and name not in given
        }
        if "name" in known and "name" not in given:
            kept = olds["name"] if "name" in olds.get(_DEFAULTS, []) else None
            suffix = f"{random.Random(seed).getrandbits(28):07x}"  # noqa: S311 a name, no secret
            defaults["name"] = kept or f"{name}-{suffix}"
        failures += [
            (name, f"{name} is required")
            for name, it in self.properties.items()
            if it.required and name not in given
        ]
        return {**given, **defaults, _DEFAULTS: sorted(defaults)}, failures

    def diff(self, configuration: Configuration, olds: Properties, news: Properties) -> Diff:
        """Compare the state with the inputs."""
        wanted = self._wanted(configuration, news)
        changed: dict[str, str] = {}
        for name, it in self.properties.items():
            old, new = olds.get(name) or None, wanted.get(name) or None
            if (it.computed and name not in wanted) or _same(old, new, document=it.document):
                continue
            changed[name] = "ADD" if old is None else "DELETE" if new is None else "UPDATE"
        replaces = [name for name in changed if self.properties[name].replaces]
        delete_first = bool(replaces) and "name" not in news.get(_DEFAULTS, [])
        return Diff(changed, replaces, delete_first)

    def preview(self, configuration: Configuration, inputs: Properties, olds: Properties) -> Properties:
        """Return the state to be expected: what IAM sets stays, or is not known yet."""
        computed = {name: olds.get(name, UNKNOWN) for name, it in self.properties.items() if it.computed}
        return computed | self._wanted(configuration, inputs)

    def create(self, configuration: Configuration, inputs: Properties) -> tuple[str, Properties]:
        """Make the resource; return its ID and its state."""
        wanted = self._wanted(configuration, inputs)
        iam = _iam(configuration)
        identifier = _call(f"create {self.token}", self.make, iam, wanted)
        return identifier, self._state(iam, identifier, {}, wanted)

    def read(
        self, configuration: Configuration, identifier: str, olds: Properties, inputs: Properties
    ) -> tuple[Properties, Properties] | None:
        """Return inputs and state as IAM has them; without `olds`, for an import."""
        state = _call(f"read {self.token}", self.fetch, _iam(configuration), identifier)
        if state is None:
            return None
        for name, it in self.properties.items():
            # Equal documents stay as they were written.
            if it.document and _same(olds.get(name), state[name], document=True):
                state[name] = olds[name]
            if name not in state and not it.computed:
                state[name] = olds.get(name, it.default)
        if "tagsAll" in state:
            defaults = configuration.default_tags.items() - (inputs.get("tags") or {}).items()
            state["tags"] = dict(state["tagsAll"].items() - defaults)
        present = {name: value for name, value in state.items() if value is not None}
        found = {
            name: value
            for name, value in present.items()
            if not self.properties[name].computed
            and (name in inputs or value not in (self.properties[name].default, {}, []))
        }
        kept = [name for name in inputs.get(_DEFAULTS, []) if found.get(name) == inputs.get(name)]
        return {**found, _DEFAULTS: kept}, present

    def update(
        self, configuration: Configuration, identifier: str, olds: Properties, news: Properties
    ) -> Properties:
        """Change the resource in place; return its state."""
        wanted = self._wanted(configuration, news)
        iam = _iam(configuration)
        _call(f"update {self.token}", self.change, iam, identifier, olds, wanted)
        return self._state(iam, identifier, olds, wanted)

    def delete(self, configuration: Configuration, identifier: str, state: Properties) -> None:
        """Remove the resource."""
        _call(f"delete {self.token}", self.remove, _iam(configuration), identifier, state)

    def _wanted(self, configuration: Configuration, inputs: Properties) -> Properties:
        wanted = {name: value for name, value in inputs.items() if not name.startswith("__")}
        if "tagsAll" in self.properties:
            tags = inputs.get("tags") or {}
            unknown = tags == UNKNOWN
            wanted["tagsAll"] = UNKNOWN if unknown else {**configuration.default_tags, **tags}
        return wanted

    def _state(self, iam: Any, identifier: str, olds: Properties, wanted: Properties) -> Properties:
        known = {name: it for name, it in olds.items() if name in self.properties} | wanted
        try:
            present = _call(f"read {self.token}", self.fetch, iam, identifier)
        except ProviderError as error:
            raise HalfDoneError(identifier, known, str(error)) from error
        if present is None:
            raise HalfDoneError(identifier, known, f"read {self.token}: {identifier} is not there yet")
        return {name: value for name, value in {**present, **wanted}.items() if value is not None}


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
        found = _unless_gone(iam.get_role, RoleName=identifier)
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
                _unless_gone(iam.delete_role_policy, RoleName=identifier, PolicyName=name)
            for arn in _attached_arns(iam, identifier) or []:
                _unless_gone(iam.detach_role_policy, RoleName=identifier, PolicyArn=arn)
        _unless_gone(iam.delete_role, RoleName=identifier)


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
        found = _unless_gone(iam.get_role_policy, RoleName=role, PolicyName=name)
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
        _unless_gone(iam.delete_role_policy, RoleName=role, PolicyName=name)


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
        found = _unless_gone(iam.get_policy, PolicyArn=identifier)
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
        _unless_gone(iam.delete_policy, PolicyArn=identifier)


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
        _unless_gone(iam.detach_role_policy, RoleName=state["role"], PolicyArn=state["policyArn"])


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
    session = _botocore()
    partition = session.get_partition_for_region(configuration.region)
    suffix = session.get_component("endpoint_resolver").get_partition_dns_suffix(partition)
    prefix = ".".join(reversed(suffix.split(".")))
    return {"id": partition, "partition": partition, "dnsSuffix": suffix, "reverseDnsPrefix": prefix}


def _get_region(configuration: Configuration) -> Properties:
    region = configuration.region
    return {"id": region, "name": region, "region": region, "description": region, "endpoint": ""}


FUNCTIONS: Final[Mapping[str, Callable[[Configuration], Properties]]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": _get_caller_identity,
    "aws:index/getPartition:getPartition": _get_partition,
    "aws:index/getRegion:getRegion": _get_region,
}


@functools.cache
def _botocore() -> Any:
    # Not at the start: an update without a call to AWS need not wait for it.
    import botocore.session

    return botocore.session.get_session()


def _client(service: str, configuration: Configuration) -> Any:
    from botocore.config import Config

    if "AWS_ENDPOINT_URL" not in os.environ:
        raise ProviderError("this is the sandbox's provider; it works in the sandbox alone")
    options = Config(connect_timeout=_PATIENCE, read_timeout=_PATIENCE)
    return _botocore().create_client(service, region_name=configuration.region, config=options)


def _iam(configuration: Configuration) -> Any:
    return _client("iam", configuration)


def _caller(configuration: Configuration) -> dict[str, str]:
    return _call("ask STS", _client("sts", configuration).get_caller_identity)


def _call(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call AWS; phrase what it answers, and what keeps it from answering, for the user."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return function(*arguments)
    except (BotoCoreError, ClientError) as error:
        raise ProviderError(f"{what}: {error}") from error


def _unless_gone(function: Callable[..., Any], **arguments: str) -> Any:
    """Call IAM and return its answer, or None where what was named is not there."""
    from botocore.exceptions import ClientError

    try:
        return function(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            return None
        raise


def _inline_names(iam: Any, role: str) -> list[str] | None:
    found = _unless_gone(iam.list_role_policies, RoleName=role)
    return None if found is None else found["PolicyNames"]


def _attached_arns(iam: Any, role: str) -> list[str] | None:
    found = _unless_gone(iam.list_attached_role_policies, RoleName=role)
    return None if found is None else [it["PolicyArn"] for it in found["AttachedPolicies"]]


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def _from_json(value: Any) -> Any:
    """Read a setting of the provider: one that is not a string comes as JSON in a string."""
    try:
        return json.loads(value)
    except (TypeError, ValueError):
        return value


def _same(old: Any, new: Any, *, document: bool) -> bool:
    if document and isinstance(old, str) and isinstance(new, str):
        return _meaning(_from_json(old)) == _meaning(_from_json(new))
    if isinstance(old, list) and isinstance(new, list):
        return sorted(old) == sorted(new)
    return old == new


def _meaning(value: Any) -> Any:
    """Bring a policy document into the one form that all documents of its meaning share."""
    if isinstance(value, dict):
        return {key: _meaning(member) for key, member in value.items()}
    if isinstance(value, list):
        if len(value) == 1:
            return _meaning(value[0])
        if all(isinstance(member, str) for member in value):
            return sorted(value)
        return [_meaning(member) for member in value]
    return value
