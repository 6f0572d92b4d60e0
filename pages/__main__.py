"""Write the pages and other generated files, or print the permissions of one connector's role."""

import argparse
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from components.connectors import CONNECTORS, DEFAULT
from pages import (
    PROJECT,
    configuration,
    connector_policy,
    declarations,
    permissions,
    read_permissions,
    template_requirements,
    template_workflow,
)
from pages.version import with_number, with_version

_WITH_VERSION: Final = (
    PROJECT / "docs" / "guardrails.md",
    PROJECT / "guardrails" / "PulumiPolicy.yaml",
)
_WITH_NUMBER: Final = (
    PROJECT / "README.md",
    PROJECT / "docs" / "evidence.md",
    PROJECT / "docs" / "index.md",
)

PAGES: Final[Mapping[Path, Callable[[], str]]] = {
    PROJECT / "Pulumi.yaml": declarations.pulumi_yaml,
    PROJECT / "docs" / "configuration.md": configuration.page,
    PROJECT / "docs" / "permissions.md": permissions.page,
    PROJECT / "docs" / "read-permissions.md": read_permissions.page,
    PROJECT / "examples" / "ci-roles" / "actions.json": connector_policy.actions,
    PROJECT / "guardrails" / "connector_policy.json": connector_policy.page,
    PROJECT / "template" / ".github" / "workflows" / "audit.yml": template_workflow.audit,
    PROJECT / "template" / ".github" / "workflows" / "environments.yml": template_workflow.workflow,
    PROJECT / "template" / ".github" / "actions" / "pulumi" / "action.yml": template_workflow.action,
    PROJECT / "template" / "requirements.txt": template_requirements.requirements,
    PROJECT / "template" / "requirements-locked.txt": template_requirements.locked,
    **{path: partial(with_version, path) for path in _WITH_VERSION},
    **{path: partial(with_number, path) for path in _WITH_NUMBER},
}
"""Each generated file, and the function that returns its contents."""


def main() -> None:
    """Run `python -m pages`."""
    parser = argparse.ArgumentParser(prog="python -m pages", description="Write every generated file.")
    commands = parser.add_subparsers(dest="command")
    statements = commands.add_parser("permissions", help="print the permissions of one connector's role")
    statements.add_argument("--connector", metavar="NAME", choices=CONNECTORS, default=DEFAULT)
    options = parser.parse_args()
    if options.command:
        sys.stdout.write(permissions.connector_page(options.connector))
        return
    for path, page in PAGES.items():
        path.write_text(page())


if __name__ == "__main__":
    main()
