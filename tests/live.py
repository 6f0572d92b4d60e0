"""Test the program in a real AWS account. For the options, see `python -m tests.live --help`.

The exit code is 0 if no step failed and no resource is left, 2 if the run could not start, 130 after an
interruption, and 1 otherwise.
"""

import argparse
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, Final, NoReturn

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from components.connectors import CONNECTORS
from components.formats import SUPPORTED_REGIONS
from components.rules import render
from pages.example_calls import ROLE_NAME, Options, Request, connector_calls, deviations, every_option
from pages.examples import ACCOUNT, APPLICATION_ARN, APPLICATION_ID, INDEX_ID, REGION
from roles.errors import code, explain, is_denied
from sandbox.environment import PASSPHRASE, PROJECT
from tests.helpers.processes import show
from tests.helpers.stacks import ATTACHED, Stack
from tests.helpers.support import REQUIRED, golden

PREFIX: Final = "qbusiness-live-"
DENIED: Final = "AccessDeniedException"
NOT_FOUND: Final = "ResourceNotFoundException"
SERIOUS: Final = ("ERROR", "SECURITY_WARNING")
"""The types of Access Analyzer findings that count as errors; other findings are only shown."""
_PATIENCE: Final = 60.0
"""The timeout in seconds for a change to become visible to all readers."""
_SETTLED: Final = 15.0
"""The time in seconds after which a change is usually visible to all readers."""
_ERRORS: Final = (BotoCoreError, ClientError)
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SkippedError(Exception):
    """Raised when a step cannot get an answer from AWS."""


@dataclass(frozen=True)
class Run:
    """A run in an account; the names of the run's resources begin with the run's name."""

    name: str
    clients: Mapping[str, Any]
    directory: Path
    account: str = ACCOUNT
    region: str = REGION
    index: Mapping[str, str] = field(default_factory=dict[str, str])
    """The IDs of an application and its index, in which the run may create a data source."""

    def moved(self, text: str) -> str:
        """Return the text with the examples' ARNs moved to this account and Region."""
        # Swap the Regions, because an example of a request that IAM must deny can be for this Region.
        moved = {ACCOUNT: self.account, REGION: self.region, self.region: REGION}
        return re.sub("|".join(map(re.escape, moved)), lambda found: moved[found[0]], text)

    def expect(self, read: Callable[[], object], expected: object) -> None:
        """Check that `read` returns the expected result; on AWS, wait until it does."""
        deadline = time.monotonic() + _PATIENCE * _is_aws()
        while (found := read()) != expected and time.monotonic() < deadline:
            time.sleep(2)
        assert found == expected, f"{found} is not {expected}"

    def roles(self) -> list[str]:
        pages = self.clients["iam"].get_paginator("list_roles").paginate()
        names = (role["RoleName"] for page in pages for role in page["Roles"])
        return [name for name in names if name.startswith(f"{self.name}-")]

    def _remove_role(self, name: str) -> None:
        iam = self.clients["iam"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)

    def _resources(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Yield the resources that this run created, with the calls that remove them."""
        for name in self.roles():
            yield f"role {name}", partial(self._remove_role, name)
        client = self.clients["qbusiness"]
        pages = client.get_paginator("list_data_sources").paginate(**self.index) if self.index else []
        for source in (each for page in pages for each in page["dataSources"]):
            if source["status"] != "DELETING" and source["displayName"].startswith(f"{self.name}-"):
                ids = {**self.index, "dataSourceId": source["dataSourceId"]}
                yield f"data source {ids['dataSourceId']}", partial(client.delete_data_source, **ids)

    def remove(self) -> tuple[list[str], list[str]]:
        """Remove this run's resources; return the removed resources and those that may be left."""
        _settle()
        removed: list[str] = []
        left: list[str] = []
        try:
            for name, remove in self._resources():
                try:
                    remove()
                    removed.append(f"removed {name}")
                except _ERRORS as error:
                    left.append(f"still there: {name} ({error})")
        except _ERRORS as error:
            left.append(f"still there: perhaps others, which AWS does not list ({error})")
        return removed, left


def _is_aws() -> bool:
    return "AWS_ENDPOINT_URL" not in os.environ


def _settle() -> None:
    """On AWS, wait long enough for most changes to become visible to all readers."""
    time.sleep(_SETTLED * _is_aws())


# Steps that change nothing.


def documents(run: Run) -> Iterator[tuple[str, Options, str, str]]:
    """Yield a connector's name, options, and policies for each distinct pair of policies."""
    seen: set[tuple[str, ...]] = set()
    for name, connector in CONNECTORS.items():
        options = every_option(connector)
        arguments = {**options.arguments, "connector": name, "region": REGION}
        trust, policy, _ = render("aem-connector", arguments, ROLE_NAME)
        if (trust, policy) not in seen:
            yield name, options, run.moved(trust), run.moved(policy)
        seen.add((trust, policy))


def answers(run: Run, service: str, operation: str, key: str, **parameters: Any) -> list[Any]:
    """Return the items on all pages; raise SkippedError if a call is denied or fails in the sandbox."""
    try:
        pages = run.clients[service].get_paginator(operation).paginate(**parameters)
        return [item for page in pages for item in page[key]]
    except ClientError as error:
        if is_denied(error) or not _is_aws():
            raise SkippedError(str(error)) from None
        raise


def access_analyzer_has_no_serious_findings(run: Run) -> None:
    """Validate all policies."""
    of_trust = {"validatePolicyResourceType": "AWS::IAM::AssumeRolePolicyDocument"}
    kinds: dict[str, dict[str, str]] = {}
    for _, _, trust, policy in documents(run):
        kinds[trust] = {"policyType": "RESOURCE_POLICY", **of_trust}
        kinds[policy] = {"policyType": "IDENTITY_POLICY"}
    findings = [
        f"{finding['findingType']} {finding['issueCode']}: {finding['findingDetails']}"
        for text, kind in kinds.items()
        for finding in answers(
            run, "accessanalyzer", "validate_policy", "findings", policyDocument=text, **kind
        )
    ]
    show("\n".join((f"{len(kinds)} policies of {len(CONNECTORS)} connectors", *findings)))
    assert [each for each in findings if each.startswith(SERIOUS)] == []


def iam_allows_requests_of_connectors_but_not_similar_ones(run: Run) -> None:
    """Simulate the connectors' requests and variants that differ from these in one part."""
    wrong: list[tuple[str, Request, str]] = []
    for name, options, _, policy in documents(run):
        calls = connector_calls(options)
        calls += [other for call in calls if call.allowed for other in deviations(call, options)]
        # Group the requests, because a call can simulate several actions on one resource in one context.
        groups: dict[tuple[str, str], dict[str, tuple[Request, bool]]] = {}
        for call in calls:
            for request in call.requests:
                if request.resource.startswith(("arn:aws:", "*")):  # IAM rejects other partitions
                    place = run.moved(request.resource), run.moved(json.dumps(dict(request.context)))
                    groups.setdefault(place, {})[request.action] = (request, call.allowed)
        for (resource, context), asked in groups.items():
            entries = [
                {
                    "ContextKeyName": key,
                    "ContextKeyValues": [value] if isinstance(value, str) else value,
                    "ContextKeyType": "string" if isinstance(value, str) else "stringList",
                }
                for key, value in json.loads(context).items()
            ]
            for result in answers(
                run,
                "iam",
                "simulate_custom_policy",
                "EvaluationResults",
                PolicyInputList=[policy],
                ActionNames=[*asked],
                ResourceArns=[resource],
                ContextEntries=entries,
            ):
                request, allowed = asked.pop(result["EvalActionName"])
                if (result["EvalDecision"] == "allowed") != allowed:
                    wrong.append((name, request, result["EvalDecision"]))
            assert not asked, f"IAM has decided nothing about {asked}"
        show(f"{name}: {len(calls)} calls")
    assert not wrong, "\n".join(map(str, wrong))


# A step that deploys a role.


def role_is_created_checked_and_destroyed(run: Run) -> None:
    """Deploy a role for an application that does not exist."""
    name = f"{run.name}-role"
    settings = {**REQUIRED, "roleName": name, "aws:allowedAccountIds": [ACCOUNT]}
    stack = Stack(run.directory, _environment(run))
    stack.configure(json.loads(run.moved(json.dumps(settings))))
    stack.up()
    _settle()
    iam = run.clients["iam"]
    trust, policy = (
        json.loads(run.moved(golden(each))) for each in ("trust-policy", "minimal-role-policy")
    )
    own = {"RoleName": name, "PolicyName": "qbusiness-aem-connector"}
    run.expect(lambda: iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"], trust)
    run.expect(lambda: iam.get_role_policy(**own)["PolicyDocument"], policy)
    stack.up("--expect-no-changes")
    assert stack.drift().exit_code == 0
    check = ("-m", "roles", "check", "--stack", stack.name)
    checked = stack.execute(sys.executable, *check, check=False, PYTHONPATH=str(PROJECT))
    # Accept any documented exit code, because the application and the secret don't exist.
    assert checked.returncode in range(4)
    stack.destroy()
    run.expect(run.roles, [])


# Steps for questions that AWS's documentation leaves open.


def question_whether_ingestion_works_with_index_alone(run: Run) -> None:
    """Try to change a nonexistent index's documents, with a role that only the caller can assume."""
    if not _is_aws():
        raise SkippedError("the sandbox doesn't decide requests to Amazon Q Business")
    iam, sts, name = run.clients["iam"], run.clients["sts"], f"{run.name}-ingestion"
    application = run.moved(APPLICATION_ARN)
    index = f"{application}/index/{INDEX_ID}"

    def document(**statement: Any) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", **statement}})

    def ingest(verb: str, *resources: str) -> str:
        """Ingest or delete a document in a session with only this permission; return the error code."""
        policy = document(Action=f"qbusiness:Batch{verb}Document", Resource=resources)
        assumed = sts.assume_role(RoleArn=role, RoleSessionName="live", Policy=policy)["Credentials"]
        key, secret = assumed["AccessKeyId"], assumed["SecretAccessKey"]
        session: Any = boto3.Session(key, secret, assumed["SessionToken"], run.region)
        call = getattr(session.client("qbusiness"), f"batch_{verb.lower()}_document")
        no_document = {"id" if verb == "Put" else "documentId": "none"}
        try:
            call(applicationId=APPLICATION_ID, indexId=INDEX_ID, documents=[no_document])
        except ClientError as error:
            return code(error)
        return "success"

    trust = document(Principal={"AWS": sts.get_caller_identity()["Arn"]}, Action="sts:AssumeRole")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    policy = document(Action="qbusiness:Batch*", Resource=f"{application}*")
    iam.put_role_policy(RoleName=name, PolicyName="ingestion", PolicyDocument=policy)
    _settle()
    for verb in ("Put", "Delete"):
        both, alone = ingest(verb, application, index), ingest(verb, index)
        neither = ingest(verb, f"{application}/index/{APPLICATION_ID}")
        # The result is conclusive only if the errors for a missing index and for a denial differ.
        if (both, neither) != (NOT_FOUND, DENIED):
            raise SkippedError(f"{verb}: {both} with both resources, {neither} with neither")
        allowed = {NOT_FOUND: "allowed", DENIED: "denied"}.get(alone, alone)
        show(f"qbusiness:Batch{verb}Document with the index alone is {allowed}")


def question_whether_update_keeps_omitted_properties(run: Run) -> None:
    """Create a data source that never syncs, rename it, and show which other properties change."""
    if not run.index:
        raise SkippedError("pass --index APPLICATION_ID/INDEX_ID, where the run may create one")
    client = run.clients["qbusiness"]
    created = client.create_data_source(
        **run.index,
        displayName=f"{run.name}-update",
        description="to be kept or lost",
        configuration={"type": "CUSTOM", "version": "1.0.0"},
    )
    ids = {**run.index, "dataSourceId": created["dataSourceId"]}

    def settled() -> Mapping[str, Any]:
        run.expect(
            lambda: client.get_data_source(**ids)["status"] in ("ACTIVE", "FAILED"), expected=True
        )
        return client.get_data_source(**ids)

    before = settled()
    client.update_data_source(**ids, displayName=f"{run.name}-updated")
    _settle()
    after = settled()
    names = {*before, *after} - {"ResponseMetadata", "displayName", "status", "updatedAt"}
    differing = sorted(name for name in names if before.get(name) != after.get(name))
    kept = f"changes {', '.join(differing)}" if differing else "keeps everything else"
    show(f"UpdateDataSource with another name {kept}")


READING: Final = (
    access_analyzer_has_no_serious_findings,
    iam_allows_requests_of_connectors_but_not_similar_ones,
)
CREATING: Final = (
    role_is_created_checked_and_destroyed,
    question_whether_ingestion_works_with_index_alone,
    question_whether_update_keeps_omitted_properties,
)


# The command.


def mask(identity: Mapping[str, str], credentials: Iterable[str]) -> Callable[[str], str]:
    """Return a function that replaces account IDs, credentials, the caller, and the home directory."""
    named = {identity["Arn"]: "CALLER", identity.get("UserId", ""): "CALLER", str(Path.home()): "~"}
    named |= dict.fromkeys(credentials, "CREDENTIAL")
    longest_first = sorted(filter(None, named), key=len, reverse=True)
    literal = re.compile("|".join(map(re.escape, longest_first)))

    def masked(text: str) -> str:
        text = literal.sub(lambda found: named[found[0]], text)
        text = re.sub(r"\b(?:AKIA|ASIA)[A-Z0-9]{16,}", "CREDENTIAL", text)
        # An account ID is 12 digits that are not the end of a UUID.
        return re.sub(r"(?<![0-9])(?<![0-9a-f]{4}-)[0-9]{12}(?![0-9])", "ACCOUNT", text)

    return masked


def main() -> int:
    """Run the steps and return the exit code."""
    parser = argparse.ArgumentParser(
        description="Run the program in a real AWS account, and then remove all its resources.",
        epilog="Credentials come from the usual sources, such as AWS_PROFILE. See docs/evidence.md.",
    )
    parser.add_argument("--read-only", action="store_true", help="only steps that change nothing")
    parser.add_argument("--region", help="default: the Region of the environment or profile")
    parser.add_argument(
        "--remove", type=run_name, metavar="NAME", help="only remove the resources of run NAME"
    )
    place = "APPLICATION_ID/INDEX_ID"
    parser.add_argument("--index", type=index, metavar=place, help="where a data source is created")
    options = parser.parse_args()
    # The SDK reads only AWS_DEFAULT_REGION; Pulumi's provider also reads AWS_REGION.
    session: Any = boto3.Session(region_name=options.region or os.environ.get("AWS_REGION"))
    region = session.region_name
    if region not in SUPPORTED_REGIONS:
        given = f"{region} has no Amazon Q Business" if region else "no Region is set"
        _end(f"{given}: pass --region, one of {', '.join(SUPPORTED_REGIONS)}")
    if not shutil.which("pulumi"):
        _end("there is no `pulumi` on PATH: install the CLI, https://www.pulumi.com/docs/install/")
    retries = Config(retries={"mode": "adaptive", "total_max_attempts": 10})
    services = ("accessanalyzer", "iam", "qbusiness", "sts")
    clients = {name: session.client(name, config=retries) for name in services}
    try:
        identity: dict[str, str] = clients["sts"].get_caller_identity()
        credentials = session.get_credentials().get_frozen_credentials()
        with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as temporary:
            name = options.remove or f"{PREFIX}{secrets.token_hex(4)}"
            # Pulumi resolves symbolic links, such as the temporary directory on macOS.
            directory = Path(temporary).resolve()
            run = Run(name, clients, directory, identity["Account"], region, options.index or {})
            if options.remove:
                removed, left = run.remove()
                print(*[*removed, *left] or [f"nothing of {name} is in account {run.account}"], sep="\n")
                return int(bool(left))
            if not options.read_only:
                _ask(run, identity["Arn"])
                run.roles()  # fail early if the removal could not list the roles
            masked = mask(identity, filter(None, credentials[:3]))
            return _run(run, masked, creates=not options.read_only)
    except _ERRORS as error:
        _end(explain(error, page="CONTRIBUTING.md"))


def run_name(text: str) -> str:
    if not re.fullmatch(rf"{PREFIX}[0-9a-f]{{8}}", text):
        raise ValueError
    return text


def index(text: str) -> Mapping[str, str]:
    return dict(zip(("applicationId", "indexId"), text.split("/"), strict=True))


def _environment(run: Run) -> dict[str, str]:
    """Return the environment for Pulumi commands, with a Pulumi home in the run's directory."""
    home, state = run.directory / "home", run.directory / "state"
    home.mkdir()
    plugins = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    (home / "plugins").symlink_to(plugins)
    (state / ".pulumi").mkdir(parents=True)
    # Omit other Pulumi variables, because they could affect every command.
    kept = {key: its for key, its in os.environ.items() if key == ATTACHED or "PULUMI_" not in key}
    return kept | {
        "AWS_REGION": run.region,
        "PULUMI_BACKEND_URL": state.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_HOME": str(home),
    }


def _ask(run: Run, caller: str) -> None:
    """Show the target and continue only if the user enters the account's ID."""
    index = "/".join(run.index.values()) or "none, so no data source is created (--index)"
    print(f"""\
This creates IAM roles in an AWS account and deletes them again. It should take a few minutes and cost
nothing. Only you can assume one of the roles. Nobody can assume the other, because its application
doesn't exist.

  account {run.account}, as {caller}
  Region  {run.region}, IAM at {run.clients["iam"].meta.endpoint_url}
  index   {index}
""")
    entered = ""
    with suppress(EOFError, KeyboardInterrupt):
        entered = input("Type the account ID to continue: ").strip()
    if entered != run.account:
        _end(f"the credentials are for account {run.account}; nothing was done")


def _run(run: Run, masked: Callable[[str], str], *, creates: bool) -> int:
    path, steps = Path.cwd() / f"{run.name}.md", list[tuple[str, str, str]]()
    command = ("sh", "-c", "git describe --always --dirty --abbrev=40 --exclude='*'; pulumi version")
    versions = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True).stdout
    place = f"{run.region}, {run.clients['iam'].meta.endpoint_url}"
    facts = f"{run.name}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {place}, {versions}"

    def record(title: str, result: str, output: str) -> None:
        steps.append((title, result, output))
        lines = ["# Run on AWS", "", facts]
        lines += ["| step | result |", "|---|---|", *(f"| {step[0]} | {step[1]} |" for step in steps)]
        # Use more consecutive backticks than any output contains.
        lines += [f"\n## {step[0]}\n\n``````text\n{step[2]}\n``````" for step in steps]
        text = masked("\n".join([*lines, ""]))  # the transcript is complete after each step
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
        print(f"{result}: {title}", flush=True)

    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)
    try:
        for step in (*READING, *(CREATING if creates else ())):
            result, output = "passed", StringIO()
            with redirect_stdout(output):
                try:
                    step(run)
                except SkippedError as error:
                    result = "skipped"
                    show(str(error))
                except Exception:  # noqa: BLE001 the other steps and the removal follow
                    result = "failed"
                    show(traceback.format_exc())
            record(step.__name__.replace("_", " "), result, output.getvalue().rstrip())
    except KeyboardInterrupt:
        record("interrupted", "interrupted", "")
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if creates:
            removed, left = run.remove()
            if left:
                index = f" --index {'/'.join(run.index.values())}" if run.index else ""
                command = f"venv/bin/python -m tests.live --remove {run.name}{index}"
                left.append(f"Repeat the removal: {command}")
            details = "\n".join([*removed, *left])
            record("nothing is left", "failed" if left else "passed", details)
            print(details)
        print(f"Transcript: {path.name}")
    results = [result for _, result, _ in steps]
    return 130 if "interrupted" in results else int("failed" in results)


def _end(text: str) -> NoReturn:
    print(f"live: {text}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    sys.exit(main())
