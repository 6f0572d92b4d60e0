"""`roles` reads a stack's configuration and outputs, and shows no secret of theirs."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.settings import SETTINGS
from pages.examples import ACCOUNT, OTHER_ACCOUNT, REGION
from roles.errors import InputError
from roles.stack import check_account, read_deployed_roles, read_stack

ARN = f"arn:aws:iam::{ACCOUNT}:role/x"
HIDDEN = "[secret]"
VALUE = "do-not-show"


@pytest.fixture(autouse=True)
def _in_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    (tmp_path / "Pulumi.yaml").write_text("name: website\n")
    monkeypatch.chdir(tmp_path)


def answer(
    monkeypatch: pytest.MonkeyPatch,
    config: dict[str, Any],
    outputs: dict[str, Any],
    shown: dict[str, Any] | None = None,
) -> None:
    """Let Pulumi print a configuration and outputs; `shown` are the outputs without secrets.

    A value in a list is secret.
    """

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        shows = "--show-secrets" in arguments
        # Without a secret, nobody needs its passphrase.
        assert not shows or shown or any(isinstance(each, list) for each in config.values())
        plain = outputs if shows or shown is None else shown
        entries = {
            key: ({"value": it[0]} if shows else {}) | {"secret": True}
            if isinstance(it, list)
            else {"value": it, "secret": False}
            for key, it in config.items()
        }
        text = json.dumps(entries if arguments[0] == "config" else plain)
        return subprocess.CompletedProcess(arguments, 0, text, "")

    monkeypatch.setattr("roles.stack.run_pulumi", run)


@pytest.mark.parametrize(
    ("outputs", "shown", "arns"),
    [
        ({}, None, {}),
        ({"roleArn": ARN}, {"roleArn": HIDDEN}, {"aem-connector": ARN}),
        ({"roleArns": {"a": ARN}}, {"roleArns": HIDDEN}, {"a": ARN}),
        (
            {"roleArns": {"a": ARN, "b": f"{ARN}2"}},
            {"roleArns": {"a": ARN, "b": HIDDEN}},
            {"a": ARN, "b": f"{ARN}2"},
        ),
        # After a failed update, an output can be a placeholder.
        ({"roleArns": {"a": "04da6b54-80e4-46f7-96ec-b56ff0331ba9", "b": ARN}}, None, {"b": ARN}),
        ({"roleArns": {}, "roleArn": ARN}, None, {}),
    ],
)
def test_roles_of_a_stack_are_read_even_if_they_are_secret(
    monkeypatch: pytest.MonkeyPatch, outputs: dict[str, Any], shown: Any, arns: dict[str, str]
):
    answer(monkeypatch, {}, outputs, shown)
    assert read_deployed_roles("dev") == ("dev", None, arns)


@pytest.mark.parametrize("region", [REGION, [REGION]])
def test_region_of_a_stack_is_read_even_if_it_is_secret(monkeypatch: pytest.MonkeyPatch, region: Any):
    answer(monkeypatch, {"aws:region": region}, {"roleArn": ARN})
    assert read_deployed_roles("dev") == ("dev", REGION, {"aem-connector": ARN})


@pytest.mark.parametrize("setting", SETTINGS)
def test_each_secret_setting_is_named_but_not_shown(monkeypatch: pytest.MonkeyPatch, setting: str):
    name = "".join(part.title() if number else part for number, part in enumerate(setting.split("_")))
    key = "aws:region" if name == "region" else f"website:{name}"
    answer(monkeypatch, {key: [VALUE]}, {"roleArn": ARN})
    with pytest.raises(InputError) as raised:
        read_stack("acme/website/dev", show_secrets=False)
    first, *more = raised.value.lines
    shown = "aws:region" if name == "region" else name
    assert first == f"stack acme/website/dev has secret values, which check would show: {shown}"
    assert VALUE not in "".join(more)
    get = f"pulumi config get --stack acme/website/dev -- {shown}"
    if name in ("tags", "vpcConfiguration"):
        entry = f"replace each `secure` entry of {name} with its value"
        fix = f"  in Pulumi.dev.yaml, {entry}, which `{get}` prints"
    else:
        fix = f'  pulumi config set --stack acme/website/dev --plaintext -- {shown} "$({get})"'
    assert more[1] == fix
    assert "pulumi up" not in "".join(more)


@pytest.mark.parametrize(
    "shown", [{"roleArn": HIDDEN}, {"roleArns": HIDDEN}, {"roleArns": {"a": HIDDEN}}]
)
def test_secret_arn_alone_is_reported(monkeypatch: pytest.MonkeyPatch, shown: dict[str, Any]):
    answer(monkeypatch, {"website:secretId": "s"}, {"roleArn": ARN}, shown)
    with pytest.raises(InputError) as raised:
        read_stack("dev", show_secrets=False)
    assert raised.value.lines[:2] == (
        "stack dev has secret values, which check would show: the ARN of a role",
        "To make the role's ARN plain, run `pulumi up --stack dev`.",
    )


@pytest.mark.parametrize(
    ("stack", "keys", "project"),
    [
        ("acme/website/dev", ["website:secretId", "other:x"], None),
        ("acme/dev", ["aws:region", "aws-native:region", "pulumi:x"], None),
        ("acme/other/dev", [], "another project, other,"),
        ("dev", ["b:x", "a:y", "aws:region"], "another project: its settings are for a, b,"),
    ],
)
def test_stack_of_another_project_is_rejected(
    monkeypatch: pytest.MonkeyPatch, stack: str, keys: list[str], project: str | None
):
    answer(monkeypatch, dict.fromkeys(keys, "v"), {"roleArn": ARN})
    if project is None:
        assert read_deployed_roles(stack).arns == {"aem-connector": ARN}
        return
    with pytest.raises(
        InputError, match=f"^stack {stack} .*belongs? to {project} but Pulumi.yaml in this"
    ):
        read_deployed_roles(stack)


def test_failure_of_pulumi_is_one_line(monkeypatch: pytest.MonkeyPatch):
    def fail(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, 6, "", "error: no stack named\n  'dev' found\n")

    monkeypatch.setattr("roles.stack.run_pulumi", fail)
    with pytest.raises(InputError, match=r"^`pulumi config` failed \(no stack named 'dev' found\): "):
        read_deployed_roles("dev")


def test_stack_belongs_to_the_account_of_the_credentials():
    check_account("dev", ["", ACCOUNT], ACCOUNT)
    with pytest.raises(
        InputError, match=f"stack dev is in account {OTHER_ACCOUNT}, but the credentials"
    ):
        check_account("dev", [ACCOUNT, OTHER_ACCOUNT], ACCOUNT)
