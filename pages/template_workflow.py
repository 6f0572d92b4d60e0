"""Generate the workflow of template/ and its action from those of this project.

A new project has the package in place of the files of this repository: scripts and commands come from the
package, and every stack is an environment. It also runs the guardrails. The comments stay here.
"""

import re
from textwrap import indent
from typing import Final

from sandbox.environment import PROJECT

_GITHUB: Final = PROJECT / ".github"
_PACKAGE: Final = "venv/lib/python*/site-packages/qbusiness_connector_tools"
_HEADER: Final = """\
# Preview, deploy, check, audit, and detect drift in the environments, each a stack with its Pulumi.STACK.yaml. In
# the package's repository, docs/ci.md describes the setup, and the workflow gives the reasons.
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
)


def workflow() -> str:
    """Return the workflow."""
    text = (_GITHUB / "workflows" / "environments.yml").read_text(encoding="utf-8")
    text = _HEADER + re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE)
    for old, new in _REPLACED:
        if old not in text:
            raise ValueError(f"the workflow does not contain {old!r}")
        text = text.replace(old, new)
    for name in ("Preview", "Deploy"):
        step = f"      - name: {name}\n"
        text = text.replace(step, indent(_GUARDRAILS, " " * 6) + step)
    return text


def action() -> str:
    """Return the action that the jobs share."""
    text = (_GITHUB / "actions" / "pulumi" / "action.yml").read_text(encoding="utf-8")
    return f"{text.partition('    - name: Install')[0]}    - shell: bash\n      run: pulumi install\n"
