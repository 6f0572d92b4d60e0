"""Generate docs/permissions.md from the program's policies."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from components.connectors import CONNECTORS, Connector, Need
from components.problems import camel_case
from components.rules import render
from pages.example_calls import (
    FULL_OF_SOURCE,
    FULL_WITH_FILES,
    OPTIONS,
    ROLE_NAME,
    SHAPES,
    Options,
    every_option,
)
from pages.markdown import bullets, compact_json
from pages.statements import STATEMENTS

Statement = Mapping[str, Any]


_CONDITIONS: Final[Mapping[str, Callable[[Options], bool]]] = {
    "always": lambda _: True,
    **{
        f"with `{camel_case(option.setting)}`": lambda options, name=name: bool(options.arns(name))
        for name, option in OPTIONS.items()
    },
    "with `bucketName`": lambda options: options.bucket_arn is not None,
    "with `bucketName`, except for `s3-v1` and `s3-v2`": lambda options: (
        options.bucket_arn is not None and not options.bucket_is_source
    ),
    "for `s3-v1` and `s3-v2`": lambda options: options.bucket_is_source,
    "with `allowNetworkInterfaceDeletion` and `vpcConfiguration`": lambda options: options.deletion,
}


def page() -> str:
    """Return the page's text: the statements of all connectors, and facts about their roles."""
    with_files, of_source = (
        _policies(options.connector, options._replace(vpc="VPC"))
        for options in (FULL_WITH_FILES, FULL_OF_SOURCE)
    )
    trust, statements = with_files
    others = [each for each in of_source[1] if each not in statements]
    reasons = _reasons([*statements, *others], {shape: shape.connector for shape in SHAPES})
    return "\n".join(
        [
            _INTRODUCTION,
            bullets(each.risk for each in STATEMENTS.values() if each.risk),
            _REVIEW,
            _PICTURE,
            bullets(dict.fromkeys(reasons)),
            _block(statements),
            _OTHERS,
            _block(others),
            *_own([*statements, *others]),
            *_trust(trust),
            _NEVER,
            _DIFFERENCES,
            bullets(each.difference for each in STATEMENTS.values() if each.difference),
            _OTHER_DIFFERENCES,
        ]
    )


def _own(others: Sequence[Statement]) -> Iterator[str]:
    """Yield the additional statements of each connector that has statements not in `others`."""
    for connector in CONNECTORS.values():
        _, statements = _all(connector)
        if own := [each for each in statements if each not in others]:
            yield f"Only a role for `{connector.name}` has these statements:\n"
            yield bullets(_reasons(own, {}))
            yield _block(own)


def connector_page(name: str) -> str:
    """Return one connector's page: its statements, their reasons, and the trust policy."""
    connector = CONNECTORS[name]
    trust, statements = _all(connector)
    return "\n".join(
        [
            f"# Permissions: {connector.title}\n\nAWS's page: {connector.page}\n",
            "## What the role can do\n",
            bullets(_reasons(statements, dict.fromkeys(_shapes(connector), name))),
            _block(statements),
            *_trust(trust),
            "docs/permissions.md describes the risks and the differences from AWS's pages.\n",
        ]
    )


def _all(connector: Connector) -> Sequence[Sequence[Statement]]:
    """Return a connector's trust policy statements, and all possible statements of its role policy."""
    options = every_option(connector)
    return _policies(connector.name, options._replace(vpc="VPC") if options.network_arns else options)


def _trust(statements: Sequence[Statement]) -> Iterator[str]:
    """Yield the parts of the section about the trust policy."""
    yield "## Who can assume the role\n"
    yield bullets(_reasons(statements, {}))
    yield _block(statements)
    yield _NEVER_ASSUMED


def _shapes(connector: Connector) -> Iterator[Options]:
    """Yield the combinations of options in `SHAPES` that a connector accepts."""
    for shape in SHAPES:
        given = (shape.secret_arn, shape.bucket_arn, shape.network_arns)
        needs = (connector.secret, connector.bucket, connector.vpc)
        if shape.bucket_is_source == connector.bucket_is_source and all(
            need is not Need.NOT_SUPPORTED if value else need is not Need.REQUIRED
            for value, need in zip(given, needs, strict=True)
        ):
            yield shape


def _policies(connector: str, options: Options) -> list[list[Statement]]:
    """Return the statements of the trust policy and of the role policy."""
    policies = render("docs", {**options.arguments, "connector": connector}, ROLE_NAME)[:2]
    return [json.loads(policy)["Statement"] for policy in policies]


def _reasons(statements: Iterable[Statement], shapes: Mapping[Options, str]) -> Iterator[str]:
    """Yield a text for each statement: the Sid, the condition for its presence, and its reason.

    `shapes` maps each combination of options to a connector that accepts it. If `shapes` is empty, every
    condition is "always".
    """
    sids = {
        shape: {each["Sid"] for each in _policies(connector, shape)[1]}
        for shape, connector in shapes.items()
    }
    for statement in statements:
        sid = statement["Sid"]
        if sid not in STATEMENTS:
            raise ValueError(f"pages/statements.py: {sid} is missing")
        when = next(
            text
            for text, condition in _CONDITIONS.items()
            if all(condition(shape) == (sid in included) for shape, included in sids.items())
        )
        yield f"**`{sid}`**, {when}: {STATEMENTS[sid].reason}"


def _block(statements: Sequence[Statement]) -> str:
    return f"```json\n{compact_json(statements)}\n```\n"


_INTRODUCTION: Final = """\
# Permissions

<!-- Generated by `python -m pages`; a test verifies it. -->

Review the permissions of each connector's role before you approve them. The statements below have example values;
`pulumi preview --diff` shows a new role's policies with your values. In a clone, after `pulumi install`, this command
prints the statements that a role for a [connector](configuration.md#connectors) can have:

```sh
venv/bin/python -m pages permissions --connector s3-v2
```

## Risks

The policies on AWS's pages have the same or greater risks, except that some [don't allow ingestion into the application
or don't mention the bucket](#differences-from-awss-pages).
"""

_REVIEW: Final = """\
Also review the policies of the secret, the key, and the bucket, and check [who can pass the
role](troubleshooting.md#not-authorized-to-perform-iampassrole).

## What the role can do
"""

_PICTURE: Final = (
    "![Amazon Q Business assumes the role for one application. The role puts and deletes documents, manages users and "
    "groups, and, depending on the settings, reads and decrypts objects and a secret, and creates network "
    "interfaces.](assets/role.svg)\n"
)

_OTHERS: Final = """\
For `s3-v1` and `s3-v2`, the role has these statements instead of those for files, the secret, and its key:
"""

_NEVER: Final = """\
## What the role policy never allows

[Tests](../CONTRIBUTING.md#how-the-policies-are-tested) verify this list with a policy simulator, not AWS. The role
policy allows none of the following, although another policy of the role could:

- Actions that AWS's pages don't list, or that belong to a service that no setting requires
- Actions on another application, index, secret, key, or bucket, or on a bucket with the same name in another account
- Actions on the secret, except reading it
- Actions on the key, except decryption through Secrets Manager or, if the bucket is the data source, Amazon S3
- Actions on the bucket, except reading its objects and, if it's the data source, listing them
- Actions on another role
- Creation of a network interface, or of a permission for one, without the application's tag
- Deletion of a network interface, unless `allowNetworkInterfaceDeletion` is set and the interface has the tag
- Tagging of existing resources
- EC2 actions, except `Describe*`, on resources other than network interfaces and the subnets and security groups in
  `vpcConfiguration`
"""

_NEVER_ASSUMED: Final = """\
No other principal can assume the role, and Amazon Q Business can't assume it for another account or application.
"""

_DIFFERENCES: Final = """\
## Differences from AWS's pages

The role allows the same requests as the policies on AWS's page for the connector, with these exceptions:
"""

_OTHER_DIFFERENCES: Final = """\
Other differences, such as Sids, don't change the role's access.
"""
