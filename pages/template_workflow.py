"""Generate the workflow of template/ from the workflow of this project.

A new project has the package in place of the files of this repository: the steps of the action
`.github/actions/pulumi` are written out, scripts and commands come from the package, and every stack is an
environment. It also runs the guardrails.
"""

import re
from textwrap import indent
from typing import Final

from sandbox.environment import PROJECT

_GITHUB: Final = PROJECT / ".github"
_PACKAGE: Final = "venv/lib/python*/site-packages/qbusiness_connector_tools"
_HEADER: Final = """\
# Preview, deploy, check, audit, and detect drift in the environments, each a stack with its Pulumi.STACK.yaml. The
# page "Continuous integration" of the package's repository describes the setup.
"""
_GUARDRAILS: Final = f"""\
- name: Install the guardrails
  run: cp -r {_PACKAGE}/guardrails . && cd guardrails && PIP_CONSTRAINT=../constraints.txt pulumi install
"""
_REPLACED: Final = (
    (
        " is an environment, except dev and example, the sandbox's; prod… come last",
        " is an environment; prod… come last",
    ),
    ('in names - {"dev", "example"} if', "in names if"),
    (".github/report.sh ", f"bash {_PACKAGE}/github/report.sh "),
    (".github/issue.sh ", f"bash {_PACKAGE}/github/issue.sh "),
    ("      - run: make roles\n", ""),
    ("venv/bin/python -m roles ", "venv/bin/qbusiness-roles "),
    ("pulumi preview ", "pulumi preview --policy-pack guardrails "),
    ("pulumi up ", "pulumi up --policy-pack guardrails "),
    ("  # For .github/report.sh. In", "  # For report.sh. In"),
)


def workflow() -> str:
    """Return the workflow."""
    text = (_GITHUB / "workflows" / "environments.yml").read_text(encoding="utf-8")
    text = _HEADER + text.partition("read-only role.\n")[2]
    text = re.sub(
        r" +- uses: \./\.github/actions/pulumi\n +with:\n((?: {10}.*\n)+)",
        lambda match: _steps(match[1]),
        text,
    )
    for old, new in _REPLACED:
        if old not in text:
            raise ValueError(f"the workflow does not contain {old!r}")
        text = text.replace(old, new)
    for name in ("Preview", "Deploy"):
        text = text.replace(
            f"      - name: {name}\n", indent(_GUARDRAILS, " " * 6) + f"      - name: {name}\n"
        )
    return text


def _steps(inputs: str) -> str:
    """Return the steps of the action with its inputs."""
    action = (_GITHUB / "actions" / "pulumi" / "action.yml").read_text(encoding="utf-8")
    steps = action.partition("  steps:\n")[2].partition("    - name: Install")[0]
    for name, value in re.findall(r"(\w+): (.*)", inputs):
        steps = steps.replace(f"${{{{ inputs.{name} }}}}", value)
    return indent(f"{steps}    - run: pulumi install\n", "  ")
