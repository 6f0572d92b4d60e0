"""Write docs/other-languages.md from the schema of the package.

The spelling of names in each language follows Pulumi's SDK generators. The programs that the sandbox
cannot run were compared with the SDKs that these generators write:
https://www.pulumi.com/docs/iac/guides/building-extending/packages/local-sdks/
"""

import json
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Mapping
from string import Template
from typing import Any, Final, NamedTuple

import yaml
from pulumi.provider.experimental.component import ComponentProvider

from components.connector_role import TOKEN, ConnectorRole
from components.errors import SettingsError
from components.settings import Arguments
from components.stack_config import PACKAGE_INPUTS
from components.validation import validate
from evidence.examples import KEY_ID, REQUIRED_INPUTS, SECURITY_GROUP_ID, SUBNET_ID
from pages.markdown import table
from sandbox.environment import PROJECT

_PACKAGE: Final = TOKEN.partition(":")[0]
_VERSION: Final[str] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
_SCHEMA: Final[dict[str, Any]] = json.loads(
    ComponentProvider([ConnectorRole], _PACKAGE, version=_VERSION).schema or ""
)
_COMPONENT: Final[Mapping[str, Any]] = _SCHEMA["resources"][TOKEN]
_INPUTS: Final[Mapping[str, Any]] = _COMPONENT["inputProperties"]
_OUTPUT: Final = "roleArn"
_EXAMPLE: Final[Mapping[str, object]] = {
    **REQUIRED_INPUTS,
    "kmsKeyId": KEY_ID,
    "tags": {"Team": "search"},
    "vpcConfiguration": {"subnetIds": [SUBNET_ID], "securityGroupIds": [SECURITY_GROUP_ID]},
}
INVALID_INPUTS: Final[Mapping[str, object]] = {
    **REQUIRED_INPUTS,
    "secretId": "NAME-*",
    "vpcConfiguration": {
        "subnetIds": [SUBNET_ID, "subnet-*"],
        "securityGroupIds": [SECURITY_GROUP_ID],
    },
}
"""The inputs of the error message on the page."""


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().replace("-", "_")


def _pascal_case(name: str) -> str:
    return "".join(part[0].upper() + part[1:] for part in name.split("-"))


def _camel_case(name: str) -> str:
    return name[0] + _pascal_case(name)[1:]


def _type(reference: str) -> dict[str, Any]:
    return _SCHEMA["types"][reference.removeprefix("#/types/")]


class _Language(NamedTuple):
    """The syntax of a language; a pair is the text before and after a value."""

    title: str
    code: str
    """The marker of a code block in the language."""
    package: str
    """The package that the program imports."""
    package_of_organization: str
    """The same for a package from a repository, which is named after the repository's owner."""
    alias: str
    """The name of the package in the program."""
    program: str
    name: Callable[[str], str]
    """Spells a property."""
    indent: str
    depth: int
    """The indentation of the inputs, in levels."""
    equals: str
    string: tuple[str, str]
    array: tuple[str, str]
    map: tuple[str, str]
    entry: tuple[str, str, str]
    """The text around the key and the value of a map."""
    object: tuple[str, str]
    """TYPE is replaced by the type's name."""
    aligned: bool = False
    """Whether the language's formatter aligns the values of neighbors."""

    def write(self) -> str:
        """Return the program."""
        return Template(self.program).substitute(
            package=self.package,
            alias=self.alias,
            component=TOKEN.rpartition(":")[2],
            inputs="\n".join(self._properties(_INPUTS, _EXAMPLE, self.depth)),
            name=_OUTPUT,
            output=self.name(_OUTPUT),
        )

    def _properties(
        self, properties: Mapping[str, Any], values: Mapping[str, Any], depth: int
    ) -> Iterator[str]:
        written = {
            self.name(name): self._value(properties[name], value, depth)
            for name, value in values.items()
        }
        neighbors = [len(name) for name, value in written.items() if "\n" not in value]
        for name, value in written.items():
            aligned = self.aligned and "\n" not in value
            gap = " " * (max(neighbors) - len(name)) if aligned else ""
            yield f"{self.indent * depth}{name}{self.equals}{gap}{value},"

    def _value(self, declared: Mapping[str, Any], value: Any, depth: int) -> str:
        if reference := declared.get("$ref"):
            margin = self.indent * depth
            before, after = self.object
            before = before.replace("TYPE", reference.rpartition(":")[2] + "Args")
            members = self._properties(_type(reference)["properties"], value, depth + 1)
            return "\n".join([before.replace("\n", f"\n{margin}"), *members, f"{margin}{after}"])
        if declared["type"] == "array":
            before, after = self.array
            content = ", ".join(self._value(declared["items"], item, depth) for item in value)
        elif declared["type"] == "object":
            before, after = self.map
            first, middle, last = self.entry
            items = {
                key: self._value(declared["additionalProperties"], value[key], depth) for key in value
            }
            content = ", ".join(f'{first}"{key}"{middle}{item}{last}' for key, item in items.items())
        else:
            before, after = self.string
            content = f'"{value}"'
        return f"{before}{content}{after}"


_PYTHON: Final = _Language(
    title="Python",
    code="python",
    package=f"pulumi_{_snake_case(_PACKAGE)}",
    package_of_organization=f"organization_{_snake_case(_PACKAGE)}",
    alias=_snake_case(_PACKAGE),
    program="""\
import pulumi
import $package as $alias

connector = $alias.$component(
    "docs",
$inputs
)
pulumi.export("$name", connector.$output)
""",
    name=_snake_case,
    indent="    ",
    depth=1,
    equals="=",
    string=("", ""),
    array=("[", "]"),
    map=("{", "}"),
    entry=("", ": ", ""),
    object=(f"{_snake_case(_PACKAGE)}.TYPE(", ")"),
)
_TYPESCRIPT: Final = _Language(
    title="TypeScript",
    code="typescript",
    package=f"@pulumi/{_PACKAGE}",
    package_of_organization=f"@organization/{_PACKAGE}",
    alias=_camel_case(_PACKAGE),
    program="""\
import * as $alias from "$package";

const connector = new $alias.$component("docs", {
$inputs
});
export const $name = connector.$output;
""",
    name=str,
    indent="    ",
    depth=1,
    equals=": ",
    string=("", ""),
    array=("[", "]"),
    map=("{ ", " }"),
    entry=("", ": ", ""),
    object=("{", "}"),
)
_GO_ALIAS: Final = _PACKAGE.replace("-", "")
_GO_PACKAGE: Final = f"pulumi-{_PACKAGE}/sdk/go/{_GO_ALIAS}"
_GO: Final = _Language(
    title="Go",
    code="go",
    package=f"example.com/{_GO_PACKAGE}",
    package_of_organization=f"github.com/organization/{_GO_PACKAGE}",
    alias=_GO_ALIAS,
    program="""\
package main

import (
	"$package"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		connector, err := $alias.New$component(ctx, "docs", &$alias.${component}Args{
$inputs
		})
		if err != nil {
			return err
		}
		ctx.Export("$name", connector.$output)
		return nil
	})
}
""",
    name=_pascal_case,
    indent="\t",
    depth=3,
    equals=": ",
    string=("pulumi.String(", ")"),
    array=("pulumi.StringArray{", "}"),
    map=("pulumi.StringMap{", "}"),
    entry=("", ": ", ""),
    # A pointer, and no input of Pulumi's: the schema calls the property plain.
    object=(f"&{_GO_ALIAS}.TYPE{{", "}"),
    aligned=True,
)
_CSHARP: Final = _Language(
    title="C#",
    code="csharp",
    package=f"Pulumi.{_pascal_case(_PACKAGE)}",
    package_of_organization=f"Organization.{_pascal_case(_PACKAGE)}",
    alias="",
    program="""\
using System.Collections.Generic;
using Pulumi;
using $package;
using $package.Inputs;

return await Deployment.RunAsync(() =>
{
    var connector = new $component("docs", new ${component}Args
    {
$inputs
    });
    return new Dictionary<string, object?> { ["$name"] = connector.$output };
});
""",
    name=_pascal_case,
    indent="    ",
    depth=2,
    equals=" = ",
    string=("", ""),
    array=("{ ", " }"),
    map=("{ ", " }"),
    entry=("{ ", ", ", " }"),
    object=("new TYPE\n{", "}"),
)
_LANGUAGES: Final = (_PYTHON, _TYPESCRIPT, _GO, _CSHARP)


def page() -> str:
    """Return the text of the page."""
    return "\n".join(
        [
            _INTRODUCTION,
            table(
                ("language", "from a clone", "from a repository of ORGANIZATION"),
                (
                    (language.title, f"`{language.package}`", f"`{language.package_of_organization}`")
                    for language in _LANGUAGES
                ),
            ),
            _PROGRAMS,
            f"## YAML\n\n```yaml\n{_yaml()}```\n",
            *map(_section, _LANGUAGES),
            _INPUTS_AND_OUTPUTS,
            table(("property", "type", "need", "description"), [*_inputs(), *_outputs()]),
            _ERRORS,
            f"```text\n{_error_message()}\n```",
            _LATE_ERRORS,
        ]
    )


def _section(language: _Language) -> str:
    """Return the section of one language."""
    section = f"## {language.title}\n\n```{language.code}\n{language.write()}```\n"
    return f"{section}\n{_PYTHON_PACKAGE}" if language is _PYTHON else section


def _yaml() -> str:
    program = {
        "name": "my-program",
        "runtime": "yaml",
        "resources": {"docs": {"type": TOKEN, "properties": dict(_EXAMPLE)}},
        "outputs": {_OUTPUT: f"${{docs.{_OUTPUT}}}"},
    }
    return yaml.safe_dump(program, sort_keys=False, default_flow_style=None, width=120)


def _inputs() -> Iterator[tuple[str, str, str, str]]:
    """Return the rows of the inputs, the required ones first."""
    required = _COMPONENT["requiredInputs"]
    for name, declared in sorted(_INPUTS.items(), key=lambda row: row[0] not in required):
        yield _row(name, declared, "required" if name in required else "optional")
        if reference := declared.get("$ref"):
            for member, declared_member in _type(reference)["properties"].items():
                yield _row(f"{name}.{member}", declared_member, f"with `{name}`")


def _row(name: str, declared: Mapping[str, Any], need: str) -> tuple[str, str, str, str]:
    return f"`{name}`", _kind(declared), need, declared["description"]


def _outputs() -> Iterator[tuple[str, str, str, str]]:
    for name, declared in _COMPONENT["properties"].items():
        yield _row(name, declared, "output")


def _kind(declared: Mapping[str, Any]) -> str:
    """Describe the type of a property in words of every language."""
    if reference := declared.get("$ref"):
        return f"`{reference.rpartition(':')[2]}`"
    if declared["type"] == "array":
        return f"list of {_kind(declared['items'])}s"
    if declared["type"] == "object":
        return f"map of {_kind(declared['additionalProperties'])}s"
    return declared["type"]


def _error_message() -> str:
    """Return the message for the invalid inputs, as Pulumi prints it."""
    try:
        validate("docs", Arguments.of(INVALID_INPUTS, PACKAGE_INPUTS))
    except SettingsError as error:
        message = textwrap.indent(str(error), "    ", lambda _: True).lstrip()
        return f"{TOKEN} resource 'docs' has a problem: {message}"
    raise AssertionError("the inputs are valid")


_INTRODUCTION: Final = f"""\
# Other languages

<!-- Generated by `make pages`; a test compares it. -->

This page is for programs in YAML, TypeScript, Go, C#, or another Pulumi language. `plugin/` contains the component as a
package for all of them. The names on this page are those of its schema.

You need the Pulumi CLI (3.250 or newer), and Python 3.11 or newer on the machine that runs it: in every language, the
engine starts the package as a Python program. The stack needs the Region of the application in `aws:region`,
`AWS_REGION`, or `AWS_DEFAULT_REGION`, and credentials for its account. Also set
[`aws:allowedAccountIds`](environments.md#guard-against-the-wrong-account).

| language | test of the program on this page |
|---|---|
| YAML, Python | deployed on Pulumi's real engine in the sandbox, with the package from a clone |
| TypeScript, Go | compiled with the SDKs that Pulumi 3.259.0 generates from the schema; not run |
| C# | compared manually with the SDK that Pulumi 3.150.0 generates; neither compiled nor run |

The tests also add the package from a tag and from a commit of a git repository, which a server on the same machine
provides through HTTPS. No package was added from a repository on GitHub.

## From a clone

Write the `Pulumi.yaml` of your program first: `pulumi package add` changes it. In every language, add the option
`refresh: always` ([why](recovery.md#why-refresh-always)). A Python program also needs a `requirements.txt` and its
`runtime`; without a virtual environment, Pulumi installs into the Python on PATH:

```yaml
runtime: {{name: python, options: {{toolchain: pip, virtualenv: venv}}}}
options: {{refresh: always}}
```

Then run this command in the directory of your program. CLONE is the directory of the clone:

```sh
pulumi package add "${{CLONE:?set CLONE to the directory of the clone}}/plugin"
```

## From a repository

```sh
pulumi package add github.com/ORGANIZATION/REPOSITORY/plugin@v{_VERSION}
```

The version is a tag of the repository and the version of the schema, which SDKs require. Before there is a tag, use a
commit: `plugin@COMMIT`, with all 40 characters. Pulumi (`parsePluginSpecFromURL`) writes it as the version
`0.0.0-xCOMMIT`, in `Pulumi.yaml` and in the SDK. For a private repository, Pulumi uses the token in `GITHUB_TOKEN`. On
a host other than GitHub, the address is `https://HOST/PATH.git/plugin@v{_VERSION}`.

## In a private registry

The Private Registry of an organization in Pulumi Cloud (Enterprise or Business Critical edition) can list the package,
with `plugin/README.md` and the documentation of its inputs. Set PULUMI_ORGANIZATION to the organization's name:

```sh
pulumi package publish github.com/ORGANIZATION/REPOSITORY/plugin@v{_VERSION} \\
  --publisher "${{PULUMI_ORGANIZATION:?set PULUMI_ORGANIZATION}}"
```

The registry stores the schema and the README. Programs still download the package from the repository, whose address is
in the schema. Therefore publish from this address: from a clone, the schema has no address.

Publishing was not tried: it needs Pulumi Cloud. In the tests, the command accepts the package, its version, its README,
and the publisher, and stops at the backend, which is not Pulumi Cloud; and `pulumi package get-schema` returns a schema
with a title, description, keywords, and license. Pulumi's host for Python cannot set a logo or a repository.

## How pulumi package add works

The command creates the virtual environment of the package (in about half a minute), adds the package to `Pulumi.yaml`,
generates an SDK in `sdks/`, adds the SDK to your project, and prints the line that imports it. On another machine,
`pulumi install` does the same from `Pulumi.yaml`: use a relative path to a clone. The virtual environment contains a
copy of the component: after a change in the clone, add the package again. YAML needs no import. In the other languages,
the name of a package from a repository includes the owner of the repository, in lowercase:
"""

_PROGRAMS: Final = """\
The following programs use the package from a clone, for AEM Cloud. For another
[connector](configuration.md#connectors), set `connector`.

To try a program, open the [sandbox shell](index.md#try-the-commands-of-these-pages) in the clone, and run
`export PIP_CONSTRAINT=$PWD/requirements-dev.txt`. Then change to the directory of your program, and run
`pulumi stack init test`, `pulumi config set aws:region us-east-1`, and `pulumi up`. The account of the sandbox is
123456789012, as in the programs.
"""

_PYTHON_PACKAGE: Final = """\
A Python program can also [use the component directly](own-project.md#use-the-component-in-your-own-program), without a
generated SDK and without another process.
"""

_INPUTS_AND_OUTPUTS: Final = """\
## Inputs and outputs

The names are those of YAML and TypeScript. In Python, they are in snake case; in Go and C#, they begin with a capital
letter. [Configuration](configuration.md) shows the expected values. An input can be an output of another resource, with
three exceptions: `connector` and `exclusivePolicies`, which determine the statements and resources, and
`vpcConfiguration` as a whole. The members of `vpcConfiguration` can be outputs.
"""

_ERRORS: Final = """\
## Errors

The compiler or Pulumi refuses a misspelled or missing input (`Property kmsKey does not exist on …`,
`Missing required property 'applicationId'`). The package reports all invalid values at once, by the names of the
inputs, before it creates or changes a role:
"""

_LATE_ERRORS: Final = """
An output of another resource is validated when its value is known, which can be during the update. The same applies to
the account and the partition, which only the provider knows. Pulumi then adds `Unexpected <class …>:` before the
message. No role is created, but the other resource can already exist. In a Python program, Pulumi's SDK can add a
traceback.
"""
