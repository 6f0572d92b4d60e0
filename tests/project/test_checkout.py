"""Test the installation, the sandbox commands and `make clean` in checkouts of any state and path."""

import ensurepip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.environment import DIRECTORY, PROJECT, REGION
from tests.helpers.checkout import EMPTY, MAKE, execute, in_sandbox, make, type_in_a_shell

pytestmark = pytest.mark.slow

PROGRAM = ("Makefile", "Pulumi.yaml", "Pulumi.dev.yaml", "__main__.py", "components", "sandbox")
STATE = Path(".sandbox/state/.pulumi")
CHECKPOINT = STATE / "stacks/qbusiness-aem-connector/dev.json"
LOCKS = STATE / "locks/organization/qbusiness-aem-connector/dev"
RESET = "`make down` resets the sandbox."


@pytest.fixture
def checkout(tmp_path: Path, prepared_sandbox: object) -> Iterator[Path]:
    """Return another checkout that shares the packages and the engine of this one."""
    del prepared_sandbox  # skips the test if there is no engine
    directory = tmp_path / "checkout"
    (directory / ".sandbox").mkdir(parents=True)
    for name in PROGRAM:
        source = PROJECT / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, directory / name)
    (directory / "venv").symlink_to(PROJECT / "venv")
    (directory / ".sandbox/engine").symlink_to(DIRECTORY / "engine")
    yield directory
    for place in tmp_path.glob("*/.sandbox"):  # a test may have moved the checkout
        execute(place.parent, "venv/bin/python", "-m", "sandbox", "stop")


# `make up` and `make down`.


def truncate(size: int) -> Callable[[Path], None]:
    return lambda directory: os.truncate(directory / CHECKPOINT, size)


def empty_the_metadata(directory: Path) -> None:
    (directory / STATE / "meta.yaml").write_text("")


def leave_a_lock(name: str, text: str) -> Callable[[Path], None]:
    def leave(directory: Path) -> None:
        (directory / LOCKS).mkdir(parents=True, exist_ok=True)
        (directory / LOCKS / name).write_text(text)

    return leave


def break_aws(directory: Path) -> None:
    aws = directory / ".sandbox/aws"
    os.kill(json.loads((aws / "server.json").read_text())["process"], signal.SIGKILL)
    (aws / "contents.pickle").write_bytes(b"")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(truncate(0), id="an empty checkpoint"),
        pytest.param(truncate(4096), id="a truncated checkpoint"),
        pytest.param(leave_a_lock("1.json.18eb4521c5fcc0ca.tmp", ""), id="an empty lock"),
        pytest.param(leave_a_lock("1.json", json.dumps({"pid": os.getpid()})), id="a lock"),
        pytest.param(empty_the_metadata, id="an empty meta.yaml"),
        pytest.param(break_aws, id="an AWS that does not start"),
    ],
)
def test_make_down_resets_a_sandbox_in_any_state_and_make_up_names_the_command(
    checkout: Path, damage: Callable[[Path], None]
):
    make(checkout, "up")
    damage(checkout)
    failed = make(checkout, "up", check=False)
    assert failed.returncode != 0
    assert RESET in failed.stdout
    assert make(checkout, "down").stdout.endswith(EMPTY)
    assert not (checkout / STATE).exists()


def test_make_down_fails_if_pulumi_can_read_the_stack_but_not_destroy_it(checkout: Path):
    make(checkout, "up")
    in_sandbox(checkout, "pulumi", "state", "protect", "--all", "--yes")
    failed = make(checkout, "down", check=False)
    assert failed.returncode != 0
    assert "sandbox: the stack could not be destroyed; the sandbox is reset anyway\n" in failed.stdout
    assert not (checkout / STATE).exists()
    assert make(checkout, "up").stdout.splitlines()[-1].startswith("arn:aws:iam::123456789012:role/")
    assert make(checkout, "down").stdout.endswith(EMPTY)


def test_make_drift_does_not_report_success_for_a_stack_without_a_role(checkout: Path):
    failed = make(checkout, "drift", check=False)
    assert failed.returncode != 0
    assert "The stack dev has no role to compare. Deploy the stack first.\n" in failed.stdout


def test_make_drift_fails_if_the_role_differs_or_its_creation_was_interrupted(checkout: Path):
    role = make(checkout, "up").stdout.splitlines()[-1].rpartition("/")[2]
    make(checkout, "drift")
    in_sandbox(checkout, "aws", "iam", "update-role", "--role-name", role, "--description", "by hand")
    failed = make(checkout, "drift", check=False)
    assert failed.returncode != 0
    assert "AWS differs from the stack. `make up` corrects it" in failed.stdout

    state = json.loads((checkout / CHECKPOINT).read_text())
    latest = state["checkpoint"]["latest"]
    own = [each for each in latest["resources"] if each["type"].startswith("aws:iam/")]
    latest["resources"] = [each for each in latest["resources"] if each not in own]
    latest["pending_operations"] = [{"resource": each, "type": "creating"} for each in own]
    (checkout / CHECKPOINT).write_text(json.dumps(state))
    failed = make(checkout, "drift", check=False)
    assert failed.returncode != 0
    assert "An update of the stack dev was interrupted." in failed.stdout


def test_make_drift_reports_a_stack_that_cannot_be_read(checkout: Path):
    make(checkout, "up")
    missing = execute(checkout, *MAKE.split(), "drift", "STACK=typo", check=False)
    truncate(4096)(checkout)
    damaged = make(checkout, "drift", check=False)
    for failed in (missing, damaged):
        assert failed.returncode != 0
        assert "error: " in failed.stdout
        assert "no role" not in failed.stdout


def test_make_up_is_independent_of_the_user_s_python_variables(checkout: Path):
    done = make(checkout, "up", PYTHONSAFEPATH="1", PYTHONHOME="/nowhere")
    assert done.stdout.splitlines()[-1].startswith("arn:aws:iam::123456789012:role/")


def test_the_stack_dev_is_selected_at_every_path_of_the_checkout(checkout: Path):
    def selected(directory: Path) -> str:
        return in_sandbox(directory, "pulumi", "stack", "--show-name")

    assert selected(checkout) == "dev\n"
    link = checkout.with_name("link")
    link.symlink_to(checkout)
    assert selected(link) == "dev\n"
    link.unlink()
    assert selected(checkout.rename(checkout.with_name("moved"))) == "dev\n"


def test_a_stack_that_the_user_selected_remains_selected(checkout: Path):
    in_sandbox(checkout, "pulumi", "stack", "init", "prod")
    assert in_sandbox(checkout, "pulumi", "stack", "--show-name") == "prod\n"


# A shell in the sandbox.


def test_a_sandbox_shell_has_a_distinct_prompt_a_stack_and_a_region(checkout: Path, tmp_path: Path):
    settings = tmp_path / ".bashrc"
    settings.write_text("export AWS_PROFILE=production\n")
    seen = type_in_a_shell(
        checkout,
        "cd components",
        'echo "<$AWS_REGION> <$AWS_DEFAULT_REGION> <$AWS_PROFILE>"',
        'echo "selected: $(pulumi stack --show-name </dev/null)"',
        HOME=str(tmp_path),
        ENV=str(settings),
        BASH_ENV=str(settings),
    )
    assert "(sandbox) checkout $ " in seen
    assert "(sandbox) components $ " in seen
    assert f"<{REGION}> <{REGION}> <>" in seen
    assert "selected: dev\r\n" in seen


# `make clean`, and stacks that are not in Git.


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a checkout with every file that commands create."""
    directory = tmp_path / "checkout"
    directory.mkdir()
    for name in ("Makefile", ".gitignore", "Pulumi.dev.yaml"):
        shutil.copyfile(PROJECT / name, directory / name)
    (directory / "Pulumi.staging.yaml").touch()
    for command in (["init", "--quiet"], ["add", "."]):
        execute(directory, "git", *command)
    (directory / "Pulumi.prod.yaml").touch()
    for name in (
        ".hypothesis/a",
        ".pytest_cache/a",
        ".ruff_cache/a",
        ".sandbox/state/a",
        "build/lib/a",
        "components/__pycache__/a",
        "examples/ci-roles/Pulumi.nonprod.yaml",
        "examples/data-source/venv/a",
        "mutants/a",
        "qbusiness_connector.egg-info/a",
        "site/a",
        "tests/node_modules/a",
        "venv/development-installed",
    ):
        file = directory / name
        file.parent.mkdir(parents=True)
        file.touch()
    return directory


def test_make_clean_removes_ignored_files_and_lists_the_stacks_that_are_not_in_git(repository: Path):
    done = make(repository, "clean")
    assert done.stdout == (
        "Pulumi.prod.yaml is not in Git: delete it if it was a trial; "
        "if you commit it, CI treats it as an environment\n"
        "examples/ci-roles/Pulumi.nonprod.yaml is not in Git: delete it if it was a trial\n"
    )
    left = execute(repository, "git", "status", "--short", "--ignored", "--untracked-files=all").stdout
    assert "!!" not in left
    assert sorted(file.name for file in repository.glob("Pulumi.*")) == [
        "Pulumi.dev.yaml",
        "Pulumi.prod.yaml",
        "Pulumi.staging.yaml",
    ]


def test_make_clean_works_without_git(repository: Path):
    shutil.rmtree(repository / ".git")
    assert make(repository, "clean").stdout == ""
    assert not (repository / "venv").exists()


def test_make_down_lists_the_stacks_that_are_not_in_git_and_keeps_them(checkout: Path):
    for command in (["init", "--quiet"], ["add", "Pulumi.yaml", "Pulumi.dev.yaml"]):
        execute(checkout, "git", *command)
    (checkout / "Pulumi.prod.yaml").touch()
    (checkout / "Pulumi.prod.deploy.yaml").touch()  # deployment settings are not an environment
    done = make(checkout, "down")
    assert "Pulumi.prod.yaml is not in Git" in done.stdout
    assert done.stdout.count("is not in Git") == 1
    assert (checkout / "Pulumi.prod.yaml").exists()


# The installation.


@pytest.fixture
def uninstalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout with empty package lists, without installed packages, uv, and a network."""
    directory = tmp_path / "checkout"
    for name in ("Makefile", "install.py", "sandbox/engine.py"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, directory / name)
    for name in ("requirements.txt", "roles/requirements.txt", "sandbox/requirements.txt", PINS):
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
INSTALL = ("make", "venv/development-installed", f"PYTHON={sys.executable}")
INSTALLED = "venv/development-installed"
UV = ("pip", "install", "--quiet", "--no-python-downloads", "--python", "venv/bin/python")
ANNOUNCED = "installing the Python packages for development into venv/, once\n"


def test_uv_on_path_installs_the_pinned_packages_with_the_python_of_make(uninstalled: Path):
    put_uv_on_path(uninstalled, 'echo "uv $*"', '"$6" -c "import sys; print(sys.base_prefix)"')
    lines = execute(uninstalled, *INSTALL).stdout.splitlines()
    assert lines == [
        ANNOUNCED.strip(),
        f"uv {' '.join(UV)} --requirement {PINS}",
        sys.base_prefix,
    ]
    assert (uninstalled / INSTALLED).exists()
    assert not list(uninstalled.glob("venv/lib/*/site-packages/pip"))


def test_pip_installs_the_packages_if_uv_fails(uninstalled: Path):
    put_uv_on_path(uninstalled, ": >venv/half-a-package", 'echo "uv: no index" >&2', "exit 2")
    done = execute(uninstalled, *INSTALL)
    uv = uninstalled.with_name("bin") / "uv"
    assert done.stdout == (
        f"{ANNOUNCED}uv: no index\n{uv} failed with exit code 2; installing with pip\n"
    )
    assert (uninstalled / INSTALLED).exists()
    assert list(uninstalled.glob("venv/lib/*/site-packages/pip"))
    assert not (uninstalled / "venv/half-a-package").exists()


def test_both_errors_are_shown_if_neither_uv_nor_pip_can_install_the_packages(uninstalled: Path):
    put_uv_on_path(uninstalled, 'echo "uv: no index" >&2', "exit 2")
    (uninstalled / PINS).write_text("no-such-package==1\n")
    failed = execute(uninstalled, *INSTALL, check=False)
    assert failed.returncode != 0
    assert "uv: no index\n" in failed.stdout
    assert "No matching distribution found for no-such-package==1" in failed.stdout
    assert "Traceback" not in failed.stdout
    assert not (uninstalled / INSTALLED).exists()


def test_a_python_without_pip_is_enough(uninstalled: Path, python_without_pip: Path):
    execute(uninstalled, *INSTALL[:2], f"PYTHON={python_without_pip}")
    assert (uninstalled / INSTALLED).exists()


def test_without_pip_and_ensurepip_the_package_of_debian_is_named(
    uninstalled: Path, python_without_pip: Path
):
    (uninstalled / "ensurepip.py").write_text("raise SystemExit('No module named ensurepip')\n")
    command = (*INSTALL[:2], f"PYTHON={python_without_pip}")
    failed = execute(uninstalled, *command, check=False, PYTHONPATH=str(uninstalled))
    assert failed.returncode != 0
    assert (
        f"No module named ensurepip\n{python_without_pip} has no working pip: install it (on Debian and "
        "Ubuntu: `apt install python3-venv`), or install uv, and repeat the command\n"
    ) in failed.stdout
    assert not (uninstalled / INSTALLED).exists()


@pytest.fixture
def python_without_pip(tmp_path: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "python"], check=True)
    return tmp_path / "python/bin/python"


@pytest.mark.parametrize("exit_code", [0, 2], ids=["uv", "pip after uv"])
def test_packages_that_the_user_installed_with_pulumi_remain(uninstalled: Path, exit_code: int):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", uninstalled / "venv"], check=True)
    own = uninstalled / "venv/own-package"
    own.touch()
    put_uv_on_path(uninstalled, f"exit {exit_code}")
    execute(uninstalled, *INSTALL)
    assert own.exists()


def test_a_second_installation_waits_for_the_first(uninstalled: Path):
    put_uv_on_path(uninstalled)
    running = [
        subprocess.Popen(INSTALL, cwd=uninstalled, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    outputs = "".join(process.communicate()[0] for process in running)
    assert [process.returncode for process in running] == [0, 0]
    assert outputs.count(ANNOUNCED) == 1


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=lambda end: end.name)
def test_an_interrupted_installation_starts_over(uninstalled: Path, end: signal.Signals):
    half = uninstalled / "venv/half-a-package"
    put_uv_on_path(uninstalled, ": >venv/half-a-package", "exec /bin/sleep 600")
    with subprocess.Popen(
        INSTALL, cwd=uninstalled, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while not half.exists():
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, end)
    put_uv_on_path(uninstalled)
    assert not (uninstalled / INSTALLED).exists()
    execute(uninstalled, *INSTALL)
    assert (uninstalled / INSTALLED).exists()
    assert not half.exists()


def test_packages_are_installed_again_after_their_list_changes(uninstalled: Path):
    put_uv_on_path(uninstalled)
    execute(uninstalled, *INSTALL)
    os.utime(uninstalled / INSTALLED, (0, 0))
    assert "installing the Python packages" in execute(uninstalled, *INSTALL).stdout
    assert "up to date" in execute(uninstalled, *INSTALL).stdout
