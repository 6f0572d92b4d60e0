"""Tests `install.py`, `sandbox/__main__.py`, `console.py`, and `engine.py` in a checkout."""

import ensurepip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sandbox.environment import DIRECTORY, PROJECT, REGION, Sandbox
from tests.helpers.checkout import EMPTY, MAKE, aws, execute, in_sandbox, make, type_in_a_shell
from tests.helpers.installing import commit
from tests.helpers.page import blocks, commands, prose
from tests.helpers.support import golden

pytestmark = pytest.mark.slow

PROGRAM = ("Makefile", "Pulumi.yaml", "Pulumi.dev.yaml", "__main__.py", "components", "sandbox")
STATE = Path(".sandbox/state/.pulumi")
CHECKPOINT = STATE / "stacks/qbusiness-aem-connector/dev.json"
LOCK = STATE / "locks/organization/qbusiness-aem-connector/dev/1.json"
SANDBOX = PROJECT / "sandbox" / "README.md"


@pytest.fixture(scope="module")
def installed(prepared_sandbox: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield another checkout that shares this checkout's packages and engine."""
    del prepared_sandbox  # the fixture skips the tests if there is no engine
    directory = tmp_path_factory.mktemp("parent") / "checkout"
    (directory / ".sandbox").mkdir(parents=True)
    for name in PROGRAM:
        source = PROJECT / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, directory / name)
    (directory / "venv").symlink_to(PROJECT / "venv")
    (directory / ".sandbox/engine").symlink_to(DIRECTORY / "engine")
    yield directory
    execute(directory, "venv/bin/python", "-m", "sandbox", "stop")


@pytest.fixture
def checkout(installed: Path) -> Iterator[Path]:
    """Yield the checkout without any stacks; the sandbox's server may be running."""
    yield installed
    for place in (".sandbox/state", ".sandbox/home/workspaces"):
        shutil.rmtree(installed / place, ignore_errors=True)


def test_make_preview_shows_only_the_change_as_on_the_readme(checkout: Path):
    make(checkout, "up")
    settings = checkout / "Pulumi.dev.yaml"
    text = settings.read_text()
    settings.write_text(text.replace("Environment: dev", "Environment: trial"))
    shown = make(checkout, "preview").stdout
    settings.write_text(text)
    (expected,) = (
        block for block in blocks("text", prose("Try it", PROJECT / "README.md")) if "=> " in block
    )
    parts = map(re.escape, expected.split("...\n"))
    assert re.search(".*".join(parts), shown, re.DOTALL)
    assert len(shown.splitlines()) <= 25


def test_make_drift_fails_if_role_differs_or_is_unknown(checkout: Path):
    def fails(*options: str) -> str:
        done = execute(checkout, *MAKE.split(), "drift", *options, check=False)
        assert done.returncode != 0
        return done.stdout

    in_sandbox(checkout, "pulumi", "stack", "init", "empty", "--no-select")
    assert "The stack empty has no role to compare. Deploy the stack first.\n" in fails("STACK=empty")
    assert "error: no stack named 'typo' found\n" in fails("STACK=typo")
    # The user's environment variables for Python have no effect.
    arn = make(checkout, "up", PYTHONSAFEPATH="1", PYTHONHOME="/nowhere").stdout.splitlines()[-1]
    make(checkout, "drift")
    other = {"RoleName": "other", "Description": "of another stack"}
    iam = aws(checkout).iam
    iam.create_role(**other, AssumeRolePolicyDocument=golden("trust-policy"))
    execute(checkout, "sh", "-euc", commands("Cause drift and correct it", SANDBOX))
    assert iam.get_role(RoleName="other")["Role"]["Description"] == other["Description"]
    assert iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]["Description"] == "edited by hand"
    assert "AWS differs from the stack. `make up` corrects it" in fails()
    iam.delete_role_policy(RoleName=arn.rpartition("/")[2], PolicyName="qbusiness-aem-connector")
    iam.delete_role(RoleName=arn.rpartition("/")[2])
    # Neither the deleted role's properties nor those of its policy are listed.
    assert len(fails().splitlines()) <= 25

    state = json.loads((checkout / CHECKPOINT).read_text())
    latest = state["checkpoint"]["latest"]
    own = [each for each in latest["resources"] if each["type"].startswith("aws:iam/")]
    latest["resources"] = [each for each in latest["resources"] if each not in own]
    latest["pending_operations"] = [{"resource": each, "type": "creating"} for each in own]
    (checkout / CHECKPOINT).write_text(json.dumps(state))
    assert "An update of the stack dev was interrupted." in fails()
    os.truncate(checkout / CHECKPOINT, 4096)
    unreadable = fails()
    assert "error: " in unreadable
    assert "no role" not in unreadable


def test_sandbox_shell_has_prompt_stack_and_region(checkout: Path, tmp_path: Path):
    settings = tmp_path / ".bashrc"
    settings.write_text("export AWS_PROFILE=production\n")
    files = {"ENV": str(settings), "BASH_ENV": str(settings)}
    seen = type_in_a_shell(
        checkout,
        "cd components",
        'echo "<$AWS_REGION> <$AWS_DEFAULT_REGION> <$AWS_PROFILE>"',
        'echo "selected: $(pulumi stack --show-name </dev/null)"',
        **{"HOME": str(tmp_path), **files},
    )
    assert "(sandbox) checkout $ " in seen
    assert "(sandbox) components $ " in seen
    assert f"<{REGION}> <{REGION}> <>" in seen
    assert "selected: dev\r\n" in seen


def test_make_down_resets_sandbox_as_make_up_advises(checkout: Path):
    def make_up_fails() -> bool:
        done = make(checkout, "up", check=False)
        return done.returncode != 0 and "`make down` resets the sandbox." in done.stdout

    make(checkout, "up")
    state = json.loads((checkout / CHECKPOINT).read_text())
    for resource in state["checkpoint"]["latest"]["resources"]:
        resource["protect"] = True
    (checkout / CHECKPOINT).write_text(json.dumps(state))
    (checkout / LOCK).parent.mkdir(parents=True, exist_ok=True)
    (checkout / LOCK).write_text(json.dumps({"pid": os.getpid()}))
    assert make_up_fails()
    # The command resets the sandbox but fails, because the stack was not destroyed.
    failed = make(checkout, "down", check=False)
    assert failed.returncode != 0
    assert "because it is protected" in failed.stdout
    assert "sandbox: the stack could not be destroyed; the sandbox is reset anyway\n" in failed.stdout
    assert not (checkout / STATE).exists()

    (checkout / CHECKPOINT).parent.mkdir(parents=True)
    (checkout / CHECKPOINT).write_text('{"version": 3, "checkpoint": {')
    assert make_up_fails()
    assert make(checkout, "down").stdout.endswith(EMPTY)
    assert not (checkout / STATE).exists()

    aws_contents = checkout / ".sandbox/aws/contents.pickle"
    aws_contents.parent.mkdir(exist_ok=True)
    aws_contents.write_bytes(b"")
    assert make_up_fails()
    assert make(checkout, "down").stdout.endswith(EMPTY)
    assert not aws_contents.exists()


@pytest.fixture
def clone(prepared_sandbox: tuple[Sandbox, dict[str, str]], tmp_path: Path) -> Iterator[Path]:
    """Yield a clone with this checkout's files, packages, and engine."""
    listed = execute(PROJECT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in listed.stdout.split("\0")[:-1]:
        if (PROJECT / name).exists():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, tmp_path / name, follow_symlinks=False)
    commit(tmp_path)
    (tmp_path / "venv").symlink_to(prepared_sandbox[1]["WARM_VENV"])
    (tmp_path / ".sandbox").mkdir()
    (tmp_path / ".sandbox" / "engine").symlink_to(DIRECTORY / "engine")
    yield tmp_path
    execute(tmp_path, "venv/bin/python", "-m", "sandbox", "stop")


def test_example_is_deployed_and_checked_as_documented(clone: Path):
    page = PROJECT / "docs" / "data-sources.md"
    deploy, check = blocks("sh", prose("Try it in the sandbox", page))
    assert deploy == "make example\n"
    printed = make(clone, "example").stdout.splitlines()[-4:]
    config = yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text())["config"]
    index = {name: config[f"qbusiness-aem-connector:{name}"] for name in ("applicationId", "indexId")}
    qbusiness = aws(clone).client("qbusiness")
    sources = [
        qbusiness.get_data_source(**index, dataSourceId=source["dataSourceId"])
        for source in qbusiness.list_data_sources(**index)["dataSources"]
    ]
    assert sorted(printed) == sorted(source["dataSourceArn"] for source in sources)
    assert len({source["roleArn"] for source in sources}) == len(sources)
    assert in_sandbox(clone, "pulumi", "stack", "--show-name") == "dev\n"
    run = execute(clone, "sh", "-euc", check, check=False)
    assert run.returncode == 3
    assert run.stdout.startswith("stack example, last deployed on ")
    (unknown,) = re.findall(r"^(?:problem|cannot tell) .*", run.stdout, re.MULTILINE)
    assert unknown.startswith("cannot tell bucket policy: account 210987654321 owns ")
    in_console = "venv/bin/python", "-m", "sandbox", "console-data-source"
    created = execute(clone, *in_console).stdout
    assert re.search(r"\nrole: arn:aws:iam::\d{12}:role/service-role/QBusiness-\S+\n\Z", created)
    assert execute(clone, *in_console).stdout == created
    down = make(clone, "down").stdout
    assert re.findall(r"- (\d+) deleted$", down, re.MULTILINE) == ["5", "13"]
    assert EMPTY in down
    assert execute(clone, "git", "status", "--porcelain").stdout == ""


@pytest.fixture
def uninstalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout without packages, uv, or network access; its package lists are empty."""
    directory = tmp_path / "checkout"
    for name in ("Makefile", "install.py", "sandbox/engine.py"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, directory / name)
    (directory / "roles").mkdir()
    for name in PACKAGE_LISTS:
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text("# none\n")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("dirname", "make", "sh"):
        (programs / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(Path(ensurepip.__file__).parent / "_bundled"))
    return directory


def put_uv_on_path(checkout: Path, *lines: str) -> None:
    uv = checkout.with_name("bin") / "uv"
    uv.write_text("\n".join(("#!/bin/sh", *lines, "")))
    uv.chmod(0o755)


PINS = "requirements-dev.txt"
PACKAGE_LISTS = ("requirements.txt", "sandbox/requirements.txt", "requirements-locked.txt", PINS)
INSTALL = ("make", "venv/development-installed", f"PYTHON={sys.executable}")
INSTALLED = "venv/development-installed"
ANNOUNCED = "installing the Python packages for development into venv/\n"


def test_uv_installs_pinned_packages_and_verifies_hashes_for_roles(uninstalled: Path):
    put_uv_on_path(uninstalled, 'echo "uv $*"')
    uv = "uv pip install --quiet --no-python-downloads --python venv/bin/python --requirement"
    assert execute(uninstalled, *INSTALL).stdout == f"{ANNOUNCED}{uv} {PINS}\n"
    assert (uninstalled / INSTALLED).exists()
    (uninstalled / "roles/__main__.py").write_text("def start(install): print('start', install)\n")
    command = f"{uninstalled}/venv/bin/qbusiness-roles"
    assert execute(uninstalled.parent, command).stdout == "start make roles\n"
    lines = execute(uninstalled, "make", "venv/roles-installed", INSTALL[2]).stdout.splitlines()
    options = "--require-hashes --no-deps --only-binary :all:"
    assert lines[1] == f"{uv} requirements-locked.txt {options}"


def test_pip_replaces_failed_uv_if_python_can_install_pip(uninstalled: Path, tmp_path: Path):
    put_uv_on_path(uninstalled, ": >venv/half-a-package", 'echo "uv: no index" >&2', "exit 2")
    python = create_venv(tmp_path / "python")
    command = (*INSTALL[:2], f"PYTHON={python}")
    ensurepip = uninstalled / "ensurepip.py"
    ensurepip.write_text("raise SystemExit('No module named ensurepip')\n")
    failed = execute(uninstalled, *command, check=False, PYTHONPATH=str(uninstalled))
    assert failed.returncode != 0
    assert (
        f"No module named ensurepip\n{python} has no working pip: install it (on Debian and "
        "Ubuntu: `apt install python3-venv`), or install uv, and run the command again\n"
    ) in failed.stdout
    # The real ensurepip and pip would take ten seconds.
    ensurepip.write_text(
        "import pathlib, sysconfig\n"
        "pip = pathlib.Path(sysconfig.get_path('purelib'), 'pip.py')\n"
        "pip.write_text('import sys; print(\"pip\", *sys.argv[1:])')\n"
    )
    done = execute(uninstalled, *command, PYTHONPATH=str(uninstalled))
    uv = uninstalled.with_name("bin") / "uv"
    pip = "pip install --quiet --disable-pip-version-check --no-compile"
    assert done.stdout == (
        f"{ANNOUNCED}uv: no index\n{uv} failed with exit code 2; installing with pip\n"
        f"{pip} pip --constraint {PINS}\n{pip} --requirement {PINS}\n"
    )
    assert (uninstalled / INSTALLED).exists()
    assert not (uninstalled / "venv/half-a-package").exists()


def test_failure_of_uv_and_pip_is_shown_and_keeps_packages(uninstalled: Path):
    # Pulumi can create the virtual environment before the installation.
    create_venv(uninstalled / "venv")
    own = uninstalled / "venv/own-package"
    own.touch()
    put_uv_on_path(uninstalled, 'echo "uv: no index" >&2', "exit 2")
    (uninstalled / PINS).write_text("no-such-package==1\n")
    failed = execute(uninstalled, *INSTALL, check=False)
    assert failed.returncode != 0
    assert "uv: no index\n" in failed.stdout
    assert "No matching distribution found for no-such-package==1" in failed.stdout
    assert "Traceback" not in failed.stdout
    assert own.exists()
    assert not (uninstalled / INSTALLED).exists()


def create_venv(directory: Path) -> Path:
    """Create a virtual environment without pip; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    return directory / "bin/python"


def test_interrupted_or_outdated_installation_starts_over(uninstalled: Path):
    half = uninstalled / "venv/half-a-package"
    put_uv_on_path(uninstalled, ": >venv/half-a-package", "kill -9 0")
    subprocess.run(INSTALL, cwd=uninstalled, check=False, start_new_session=True)
    assert half.exists()
    assert not (uninstalled / INSTALLED).exists()
    put_uv_on_path(uninstalled)
    execute(uninstalled, *INSTALL)
    assert not half.exists()
    for name in PACKAGE_LISTS:
        os.utime(uninstalled / name)
        assert "installing the Python packages" in execute(uninstalled, *INSTALL).stdout, name
    assert "up to date" in execute(uninstalled, *INSTALL).stdout
