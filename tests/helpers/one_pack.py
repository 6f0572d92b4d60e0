"""Load the policy pack's modules only once, as a pytest plugin for the mutation run.

The pack, which Pulumi runs separately, imports `rules` and `iam`, but `roles` imports `guardrails.iam`.
mutmut identifies a function by the path of its file, as in `guardrails.rules`, so both names must refer
to the same module.
"""

import sys
from importlib import import_module

for name in (
    *("iam", "iam.truth", "iam.patterns", "iam.operators", "iam.conditions"),
    *("iam.containment", "iam.documents"),
    *("connector_grants", "declared_roles", "rules"),
):
    sys.modules[name] = import_module(f"guardrails.{name}")
