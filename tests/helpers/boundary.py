"""Generate the permissions boundary that examples/ci-roles/ creates for an environment."""

import importlib
import sys
from typing import Any

from pages.examples import ACCOUNT
from sandbox.environment import PROJECT


def boundary(**reads: list[str]) -> dict[str, Any]:
    """Return the boundary of an environment with these `secrets`, `buckets`, and `keys`."""
    sys.path.insert(0, str(PROJECT / "examples" / "ci-roles"))
    try:
        settings, policies = (importlib.import_module(name) for name in ("settings", "policies"))
    finally:
        del sys.path[0]
        for name in ("settings", "policies"):
            sys.modules.pop(name, None)
    arn = f"arn:aws:iam::{ACCOUNT}:policy/connector-boundary-prod"
    return policies.render_boundary(settings.Environment("prod", "", [], reads, arn))
