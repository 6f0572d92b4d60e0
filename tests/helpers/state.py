"""Compose the state of a stack as `pulumi stack export` prints it after an update."""

from collections.abc import Mapping, Sequence
from contextvars import copy_context
from typing import Any, Final

import pulumi
from pulumi.runtime import Settings, configure, set_all_config

from components import policies
from components.configuration import has_data_sources, read_roles
from components.formats import Location
from components.rules import resolve_role
from components.settings import Role
from pages.examples import ACCOUNT, REGION
from tests.helpers.support import PROJECT_NAME

SIGNATURE: Final = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
TYPE: Final = "qbusiness-connector:index:ConnectorRole"
OWN: Final = "qbusiness-aem-connector"

Resource = dict[str, Any]


def exported(*resources: Resource, **more: Any) -> dict[str, Any]:
    """Return the state of the stack `dev` with these resources."""
    stack = {"urn": urn("pulumi:pulumi:Stack", "stack"), "type": "pulumi:pulumi:Stack"}
    manifest = {"time": "2026-11-02T12:30:00.123456789Z"}
    return {
        "version": 3,
        "deployment": {"manifest": manifest, "resources": [stack, *resources], **more},
    }


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:dev::{PROJECT_NAME}::{kind}::{name}"


def declared(name: str, arn: str | None, trust_policy: Any, role_policy: Any) -> list[Resource]:
    """Return a component, with its role and role policy if the role has an ARN."""
    parent = urn(TYPE, name)
    component = {"urn": parent, "type": TYPE, "outputs": {"roleArn": arn} if arn else {}}
    if arn is None:
        return [component]
    role_name = arn.rpartition("/")[2]
    role = {
        "urn": urn(f"{TYPE}$aws:iam/role:Role", f"{name}-qbusiness-role"),
        "type": "aws:iam/role:Role",
        "id": role_name,
        "parent": parent,
        "inputs": {"assumeRolePolicy": trust_policy, "name": role_name},
        "outputs": {"arn": arn},
    }
    policy = {
        "urn": urn(f"{TYPE}$aws:iam/rolePolicy:RolePolicy", f"{name}-qbusiness-policy"),
        "type": "aws:iam/rolePolicy:RolePolicy",
        "id": f"{role_name}:{OWN}",
        "parent": parent,
        "inputs": {"name": OWN, "policy": role_policy, "role": role_name},
    }
    return [component, role, policy]


def exclusive(name: str) -> Resource:
    """Return the resource that removes the policies that the program does not declare."""
    kind = "aws:iam/rolePoliciesExclusive:RolePoliciesExclusive"
    return {"urn": urn(kind, name), "type": kind, "parent": urn(TYPE, name), "inputs": {}}


def deployed(config: Mapping[str, Mapping[str, Any]], outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state after an update with a configuration; `outputs` are the stack's outputs."""

    def read() -> Sequence[Role]:
        configure(Settings(PROJECT_NAME, "dev"))
        set_all_config({key: str(entry["value"]) for key, entry in config.items()}, [])
        own = pulumi.Config(PROJECT_NAME)
        only = None if has_data_sources(own) else "aem-connector"
        return read_roles(own, owns_stack=False, only=only)[0]

    arns = outputs.get("roleArns", {"aem-connector": outputs.get("roleArn")})
    region = str(config.get("aws:region", {"value": REGION})["value"])
    location = Location("aws-us-gov" if "gov" in region else "aws", region, ACCOUNT)
    resources: list[Resource] = []
    for each in copy_context().run(read):
        arn = next((it for it in [arns.get(each.name)] if str(it).startswith("arn:")), None)
        role = resolve_role(each, location, {}, {})
        own = policies.role_policy(role, str(arn).rpartition("/")[2])
        resources += declared(each.name, arn, policies.trust_policy(role), own)
        resources += [exclusive(each.name)] if each.values["exclusive_policies"].given else []
    return exported(*resources)


def encrypted(state: Any, text: str, plain: str | None = None) -> Any:
    """Return the state with a text encrypted or, if `plain` (the text as JSON) is given, decrypted."""
    if isinstance(state, dict):
        return {key: encrypted(value, text, plain) for key, value in state.items()}
    if isinstance(state, list):
        return [encrypted(value, text, plain) for value in state]
    shown = {"ciphertext": "v1:x"} if plain is None else {"plaintext": plain}
    return {**SIGNATURE, **shown} if state == text else state
