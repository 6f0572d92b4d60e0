"""Generate the workflows and action in template/ from this project's workflows and action.

A new project has the package instead of this repository's files, so scripts and commands come from the
package. A new project has no sandbox stacks, so every stack is an environment. The new workflow for
environments also runs the guardrails. Apart from their first lines, the new workflows have no lines that
contain only a comment.
"""

import re
from collections.abc import Sequence
from textwrap import indent
from typing import Final

from pages import PROJECT

_GITHUB: Final = PROJECT / ".github"
_PACKAGE: Final = "venv/lib/python*/site-packages/qbusiness_connector_tools"
_HEADER: Final = """\
# Each environment is a stack with a Pulumi.STACK.yaml. See docs/ci.md in the package's repository.
"""
_GUARDRAILS: Final = f"""\
      - name: Check the deployed roles with the guardrails
        if: ${{{{ !cancelled() }}}}
        timeout-minutes: 2
        env: {{PULUMI_CONFIG_PASSPHRASE: *passphrase}}
        run: bash {_PACKAGE}/github/report.sh "Guardrails of $STACK" pulumi policy analyze --policy-pack guardrails --stack "$OWNER$STACK" --color never
"""
_AUDIT_HEADER: Final = (
    "# Audit all data sources each week. See docs/ci.md in the package's repository.\n"
)
_MAKE: Final = "make roles\n"
# The package comes from Git and has no hash, so pip installs it separately. Its build installs no packages. Because
# pip uses no index, a version in requirements.txt that is not in requirements-locked.txt is an error.
_INSTALL: Final = """\
python3 -m venv venv
venv/bin/python -m pip install --no-compile --require-hashes --no-deps --only-binary :all: --requirement requirements-locked.txt
venv/bin/python -m pip install --no-deps --no-index --no-build-isolation --requirement requirements.txt
"""
_INSTALL_GUARDRAILS: Final = f"""\
cp -r {_PACKAGE}/guardrails . && ln -s ../venv guardrails/venv
guardrails/venv/bin/python -c 'import pulumi_policy' || {{ echo "::error::The packages of the guardrails are missing, so Pulumi would wait forever. Add pulumi-policy to requirements-locked.txt"; exit 1; }}
"""
_ISSUE: Final = (".github/issue.sh ", f"bash {_PACKAGE}/github/issue.sh ")
_REPLACED: Final = (
    (
        " as an environment, except the sandbox's dev and example; prod",
        " as an environment; prod",
    ),
    ('in names - {"dev", "example"} if', "in names if"),
    (".github/report.sh ", f"bash {_PACKAGE}/github/report.sh "),
    _ISSUE,
    ("pulumi preview ", "pulumi preview --policy-pack guardrails "),
    ("pulumi up ", "pulumi up --policy-pack guardrails "),
)


def workflow() -> str:
    """Return the new project's workflow; raise ValueError if any text to be replaced is missing."""
    text = (_GITHUB / "workflows" / "environments.yml").read_text(encoding="utf-8")
    text = _HEADER + re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE)
    text = _replaced(text, _REPLACED)
    drift, roles = text.split("\n  roles:\n")
    return f"{drift}{_GUARDRAILS}\n  roles:\n{roles}"


def audit() -> str:
    """Return the new project's workflow that audits accounts; raise ValueError as `workflow` does."""
    text = (_GITHUB / "workflows" / "audit.yml").read_text(encoding="utf-8")
    text = _AUDIT_HEADER + re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE)
    return _replaced(text, (_in_step(10, _INSTALL), _ISSUE))


def action() -> str:
    """Return the new project's action, which the jobs share; raise ValueError as `workflow` does."""
    text = (_GITHUB / "actions" / "pulumi" / "action.yml").read_text(encoding="utf-8")
    return _replaced(text, (_in_step(8, _INSTALL + _INSTALL_GUARDRAILS),))


def _in_step(spaces: int, script: str) -> tuple[str, str]:
    """Return the line of a step that installs packages, and the lines that replace it."""
    return indent(_MAKE, spaces * " "), indent(script, spaces * " ")


def _replaced(text: str, replacements: Sequence[tuple[str, str]]) -> str:
    for old, new in replacements:
        if old not in text:
            raise ValueError(f"the workflow does not contain {old!r}")
        text = text.replace(old, new)
    return text
