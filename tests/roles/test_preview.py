"""Test the report of a preview, which an approver reads before the roles exist."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pages.examples import SECRET_ID
from roles.preview import UNKNOWN, Section, main, render
from tests.helpers.support import golden

NAMES = [f"source{number}" for number in range(60)]


def statement(action: str, resource: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [action], "Resource": [resource], **more}


def policy(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def step(
    operation: str,
    name: str,
    new: Mapping[str, Any] | None = None,
    old: Mapping[str, Any] | None = None,
    kind: str = "RolePolicy",
    **more: Any,
) -> dict[str, Any]:
    """Return a step as in `pulumi preview --json`; `old` is the state in AWS."""
    found: dict[str, Any] = {"op": operation, "urn": f"urn:pulumi:prod::p::aws:iam/x:{kind}::{name}"}
    if old is not None:
        found["oldState"] = {"inputs": new or {}, "outputs": old}
    if new is not None:
        found["newState"] = {"inputs": new}
    return {**found, **more}


class Preview:
    """A command in place of `pulumi preview`."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.monkeypatch = monkeypatch
        monkeypatch.chdir(directory)
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(directory / "summary.md"))
        monkeypatch.setenv("RUN", "https://run")
        monkeypatch.setenv("COMMIT", "abc")

    def report(
        self, *steps: Mapping[str, Any], code: int = 0, title: str = "Preview of prod", **more: Any
    ) -> str:
        output = json.dumps({"steps": steps, **more})
        return self.report_of(output, code=code, title=title)

    def report_of(
        self, output: str, *events: Mapping[str, Any], code: int = 0, title: str = "Preview of prod"
    ) -> str:
        """Return the report, which is also the summary."""
        (self.directory / "output").write_text(output)
        (self.directory / "events").write_text("".join(json.dumps(each) + "\n" for each in events))
        script = f'cat output; cp events "$3"; exit {code}'
        self.monkeypatch.setattr(sys, "argv", ["preview", title, "sh", "-c", script, "pulumi"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == code
        report = (self.directory / "report.md").read_text()
        assert (self.directory / "summary.md").read_text().endswith(report)
        return report


@pytest.fixture
def preview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Preview:
    return Preview(tmp_path, monkeypatch)


def test_new_policy_is_complete_and_repeated_statement_is_a_line(preview: Preview):
    shared = statement("qbusiness:BatchPutDocument", "arn:index", Sid="Ingest")
    secret = statement("secretsmanager:GetSecretValue", "arn:one", Sid="Secret")
    secret["Condition"] = {"StringLike": {"kms:ViaService": ["a", "b"]}}
    other = statement("secretsmanager:GetSecretValue", "arn:two", Sid="Secret")
    assert preview.report(
        step("create", "wiki-policy", {"policy": policy(secret, shared), "role": UNKNOWN}),
        step("create", "wiki-role", {"assumeRolePolicy": policy(shared), "__defaults": []}, kind="Role"),
        step("create", "zoom-policy", {"policy": policy(other, shared), "tags": {}}),
        changeSummary={"create": 3},
    ) == (
        "### Preview of prod\n"
        "\n"
        "Steps:\n"
        "\n"
        "~~~diff\n"
        "+ create  aws:iam:Role       wiki-role\n"
        "+ create  aws:iam:RolePolicy wiki-policy\n"
        "+ create  aws:iam:RolePolicy zoom-policy\n"
        "create 3\n"
        "~~~\n"
        "\n"
        "Policies of new and changed roles:\n"
        "\n"
        "~~~diff\n"
        "@@ wiki-role: trust policy, new @@\n"
        "+ Ingest\n"
        "+   Effect: Allow\n"
        "+   Action: qbusiness:BatchPutDocument\n"
        "+   Resource: arn:index\n"
        "@@ wiki-policy: policy, new @@\n"
        "+ Secret\n"
        "+   Effect: Allow\n"
        "+   Action: secretsmanager:GetSecretValue\n"
        "+   Resource: arn:one\n"
        "+   Condition StringLike kms:ViaService:\n"
        "+     a\n"
        "+     b\n"
        "+ Ingest: as in wiki-role\n"
        "@@ zoom-policy: policy, new @@\n"
        "+ Secret\n"
        "+   Effect: Allow\n"
        "+   Action: secretsmanager:GetSecretValue\n"
        "+   Resource: arn:two\n"
        "+ Ingest: as in wiki-role\n"
        "~~~\n"
        "\n"
        "Other properties:\n"
        "\n"
        "~~~diff\n"
        "@@ wiki-policy @@\n"
        "+ role: [unknown]\n"
        "~~~\n"
        "\n"
        "[The log](https://run), commit abc\n"
    )


def test_change_is_compared_with_aws_and_equivalent_json_is_unchanged(preview: Preview):
    same = statement("a:Same", "*", Sid="Same")
    new = policy(
        same, statement("a:New", "arn:x", Sid="Changed"), statement("a:Added", "*", Sid="Added")
    )
    old = policy(
        {"Sid": "Same", "Resource": "*", "Action": "a:Same", "Effect": "Allow"},
        statement("a:Old", "arn:x", Sid="Changed"),
        statement("*", "*"),
    )
    report = preview.report(
        step("refresh", "refreshed", {}, {"inlinePolicies": [{"policy": "not ours"}]}),
        step("same", "same", {"policy": new}, {"policy": new}),
        step(
            "update",
            "wiki",
            {"policy": new, "forceDetachPolicies": True, "kept": 1},
            {"policy": old, "forceDetachPolicies": False, "kept": 1},
            diffReasons=["policy", "forceDetachPolicies"],
        ),
        step("delete", "zoom", None, {"policy": old}),
        step("import-replacement", "odd", {}),
        step("import", "slack", {}),
    )
    assert report.split("~~~diff\n", 1)[1] == (
        "! import-replacement aws:iam:RolePolicy odd\n"
        "- delete  aws:iam:RolePolicy zoom\n"
        "~ update  aws:iam:RolePolicy wiki (policy, forceDetachPolicies)\n"
        "= import  aws:iam:RolePolicy slack\n"
        "\n"
        "~~~\n"
        "\n"
        "Policies of new and changed roles:\n"
        "\n"
        "~~~diff\n"
        "@@ wiki: policy, changed @@\n"
        "- statement 3\n"
        "-   Effect: Allow\n"
        "-   Action: *\n"
        "-   Resource: *\n"
        "  Same: unchanged\n"
        "  Changed\n"
        "    Effect: Allow\n"
        "-   Action: a:Old\n"
        "+   Action: a:New\n"
        "    Resource: arn:x\n"
        "+ Added\n"
        "+   Effect: Allow\n"
        "+   Action: a:Added\n"
        "+   Resource: *\n"
        "~~~\n"
        "\n"
        "Other properties:\n"
        "\n"
        "~~~diff\n"
        "@@ wiki @@\n"
        "- forceDetachPolicies: false\n"
        "+ forceDetachPolicies: true\n"
        "~~~\n"
        "\n"
        "[The log](https://run), commit abc\n"
    )


def test_secret_policy_and_its_findings_are_hidden(preview: Preview):
    secret = {"policy": "[secret]", "tags": {"Team": "[secret]"}}
    new = step("create", "new", secret)
    drifted = step("update", "old", secret, {"policy": "hunter2", "tags": "x"}, diffReasons=["policy"])
    role = step("create", "role", {"assumeRolePolicy": "[secret]"}, kind="Role")
    finding = {"message": "The rule.\nhunter2", "policyName": "p", "enforcementLevel": "mandatory"}
    events = [{"policyEvent": {"resourceUrn": each["urn"], **finding}} for each in (new, role)]
    report = preview.report_of(json.dumps({"steps": [new, drifted, role]}), *events, code=255)
    assert "hunter2" not in report
    hidden = "  The rule.\n  The details are hidden, because the policy is secret.\n"
    assert report.startswith(
        "### Preview of prod\n\nFindings of the policy pack:\n\n~~~diff\n"
        f"[mandatory] p: new\n{hidden}[mandatory] p: role\n{hidden}~~~\n"
    )
    for line in (
        "@@ old: policy, changed @@\n  changed, hidden\n",
        "@@ new: policy, new @@\n  new, hidden\n",
        "@@ new @@\n  tags: new, hidden\n",
    ):
        assert line in report


def test_policy_with_unknown_values_is_unknown(preview: Preview):
    report = preview.report(step("create", "wiki", {"policy": UNKNOWN}))
    assert "@@ wiki: policy, new @@\n+ [unknown] until the update\n" in report


def test_every_element_of_a_policy_is_shown(preview: Preview):
    odd = {
        "Version": "2008-10-17",
        "Id": "x",
        "Statement": {"NotAction": ["a", "b"], "New": {}, "Sid": 1},
    }
    assert "+ policy Id: x\n+ policy Version: 2008-10-17\n+ 1\n+   New: {}\n+   NotAction:\n" in (
        preview.report(step("create", "wiki", {"policy": json.dumps(odd)}))
    )
    for text in ("not JSON", "[1]", '{"Statement": "x"}'):
        assert "x" in preview.report(step("create", "x", {"policy": text}))


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ('{"steps": [], "diagnostics": [{"message": "error: no such key"}]}', "error: no such key"),
        ("panic: it crashed", "panic: it crashed"),
        ("", ""),
    ],
)
def test_failed_preview_is_reported(preview: Preview, output: str, shown: str):
    report = preview.report_of(output, code=255)
    assert shown in report
    assert report.endswith("[The log](https://run), commit abc\n")


def test_nothing_leaves_the_code_block_or_mentions_people(preview: Preview):
    untrusted = "~~~~\n~~~\n@everyone `x` <!-- \u202e"
    event = {
        "policyEvent": {
            "resourceUrn": f"urn:pulumi:prod::p::t::{untrusted}",
            "message": untrusted,
            "policyName": untrusted,
            "enforcementLevel": "mandatory",
        }
    }
    steps = [
        step(
            "create",
            f"{untrusted}{number}",
            {"policy": policy({untrusted: untrusted}), untrusted: "x" * 9_000},
        )
        for number in range(9)
    ]
    more = {"diagnostics": [{"message": untrusted}], "changeSummary": {untrusted: 1}}
    report = preview.report_of(json.dumps({"steps": steps, **more}), event, title="Preview of @octocat")
    assert report.startswith("### Preview of ?octocat\n")
    outside = "".join(report.split("~~~")[::2]).replace("diff\n", "")
    assert report.count("~~~") == 2 * report.count("~~~diff\n") == 10
    assert "\u202e" not in report
    # A mention in inline code is none.
    assert "@" not in "".join(outside.split("`")[::2])
    assert " left out, see the log: `" in outside


@pytest.mark.slow
@pytest.mark.parametrize("padding", [0, 2_000])
def test_sixty_new_roles_fit_the_limit_and_the_rest_is_counted_by_name(
    preview: Preview, capsys: pytest.CaptureFixture[str], padding: int
):
    steps: list[dict[str, Any]] = []
    for name in NAMES:
        secret = f"{SECRET_ID}-{name}{'x' * padding}"
        permissions = golden("default-role-policy").replace(SECRET_ID, secret)
        role = {"assumeRolePolicy": golden("trust-policy"), "path": "/connectors/prod/"}
        component = f"urn:pulumi:prod::p::c:index:ConnectorRole::{name}"
        for each in (
            step("create", f"{name}-role", {**role, "name": f"{name}-role"}, kind="Role"),
            step("create", f"{name}-policy", {"policy": permissions, "role": f"{name}-role"}),
        ):
            each["newState"]["parent"] = component
            steps.append(each)
    report = preview.report(*steps)
    assert len(report) < 65_536
    complete = capsys.readouterr().out
    for name in NAMES:
        assert f"+ create  aws:iam:Role       {name}-role\n" in report
        assert f"@@ {name}-policy: policy, new @@\n" in complete
    shown = [name for name in NAMES if f"@@ {name}-policy: policy, new @@\n" in report]
    assert (len(shown) == len(NAMES)) is (padding == 0)
    for name in {*NAMES} - {*shown}:
        assert f"`{name}-policy`" in report


@pytest.mark.parametrize(("over", "shown"), [(0, True), (1, False)])
def test_block_that_fits_to_the_byte_is_shown(over: int, shown: bool):
    sections = [Section("Steps", [("first", "\xe9" * 50), ("second", "x" * 10)]), Section("None", [])]
    # The title, the end, room for names, and the two blocks with their line ends.
    limit = len("### dev\n") + len("end") + 2_700 + 101 + 11
    text = render("dev", sections, "end", limit - over)
    fitting = "\xe9" * 50 + ("\n" + "x" * 10) * shown
    omitted = "" if shown else "\nSteps: 1 left out, see the log: `second`\n"
    assert text == f"### dev\n\nSteps:\n\n~~~diff\n{fitting}\n~~~\n{omitted}end"


@pytest.mark.parametrize(("length", "end"), [(2_486, "`, `b`"), (2_487, "`, \u2026")])
def test_long_list_of_names_is_cut_after_a_name(length: int, end: str):
    section = Section("Steps", [("a`b", "x"), ("n" * length, "x"), ("b", "x")])
    text = render("dev", [section], "", 0)
    start = "### dev\n\nSteps: 3 left out, see the log: `a'b`, `"
    assert text == f"{start}{'n' * length}{end}\n"


def test_name_that_imitates_another_resource_is_shown_completely(preview: Preview):
    report = preview.report(step("create", "aws:iam/role:Role::wiki-role", {}))
    assert "+ create  aws:iam:RolePolicy aws:iam/role:Role::wiki-role\n" in report
