"""Files are replaced completely and remain as private as they were."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from roles.errors import InputError
from roles.writing import check_writable, next_path, write
from sandbox.environment import PROJECT

KILLED: Final = """\
import os, signal
from pathlib import Path
from roles.writing import write

Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write({Path("import-prod.json"): "text"})
"""


def test_replacing_file_keeps_its_link_and_permissions(tmp_path: Path):
    old, link, new, next_ = (tmp_path / name for name in ("old", "link", "new", "next"))
    old.write_text("yesterday's" * 10_000)
    old.chmod(0o600)
    link.symlink_to("old")
    next_.symlink_to("later")
    before = os.umask(0o037)
    try:
        write(dict.fromkeys((link, new, next_), "today's"))
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"old": 0o600, "link": 0o600, "new": 0o640, "next": 0o640, "later": 0o640}
    assert link.is_symlink()
    assert {path.read_text() for path in tmp_path.iterdir()} == {"today's"}


@pytest.mark.parametrize(
    ("file", "line"),
    [
        (".", ". is a directory: move it"),
        ("missing/file", "missing/file cannot be written: No such file or directory"),
        ("a" * 256, f"{'a' * 256} cannot be written: File name too long"),
        ("file/file", "file/file cannot be written: Not a directory"),
        ("pipe", "pipe is not a regular file: move it"),
        ("loop", "loop is not a regular file: move it"),
    ],
)
def test_unwritable_path_is_rejected_before_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, line: str
):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    with pytest.raises(InputError, match=f"^{re.escape(line)}$"):
        check_writable(Path(file))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop", "pipe"]


@pytest.mark.parametrize(
    ("present", "number"),
    [
        ([], 1),
        (["assign-acme-dev-9.sh", "assign-acme-dev-10.sh"], 11),
        (["assign-acme-dev-1.sh", "assign-acme-dev-3"], 4),
        (["assign-dev-5.sh", "restore-acme-dev-6.sh", "assign-acme-dev-7.sh~"], 1),
        (["assign-acme-dev-2.sh.part", "assign-acme-dev-x.sh", "assign-acme-dev-.sh"], 1),
    ],
)
def test_script_gets_the_next_number_of_its_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, present: list[str], number: int
):
    monkeypatch.chdir(tmp_path)
    for name in present:
        Path(name).touch()
    assert next_path("assign", "acme/dev") == Path(f"assign-acme-dev-{number}.sh")


def test_failed_write_leaves_file_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "file"
    file.write_text("yesterday's")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(InputError, match=r"file cannot be written: No space left on device$"):
        write({file: "today's"})
    assert [*tmp_path.iterdir()] == [file]
    assert file.read_text() == "yesterday's"


def test_failed_replacement_restores_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    new, old, link, last = (tmp_path / name for name in ("new", "old", "link", "last"))
    old.write_text("before")
    old.chmod(0o640)
    link.symlink_to("old")
    last.write_text("before")
    replace = Path.replace

    def fail(path: Path, target: str) -> Path:
        if path.name == "last":
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(InputError, match="last cannot be written: Device or resource busy"):
        write(dict.fromkeys((new, link, last), "after"))
    assert sorted(tmp_path.iterdir()) == [last, link, old]
    assert (link.readlink(), old.stat().st_mode & 0o777) == (Path("old"), 0o640)
    assert (old.read_text(), last.read_text()) == ("before", "before")


@pytest.mark.slow
@pytest.mark.parametrize("project", [PROJECT, PROJECT / "template"])
def test_git_ignores_files_of_killed_command(tmp_path: Path, project: Path):
    shutil.copy(project / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [*tmp_path.glob(".roles-*/import-prod.json")]
    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    assert subprocess.check_output(status, cwd=tmp_path, text=True) == "?? .gitignore\n"


KILLED_AT: Final = """\
import os, signal, sys
from pathlib import Path
from roles.adopt import files

number, kind = int(sys.argv[1]), getattr(signal, sys.argv[2])
replace, done = Path.replace, []

def replace_or_die(path, target):
    done.append(target)
    if len(done) == number:
        os.kill(os.getpid(), kind)
    return replace(path, target)

Path.replace = replace_or_die
document = files.import_document("prod", [])
files.write("prod", {"a:b": "c"}, document, "the script", overwrite=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "kind"), [(1, "SIGKILL"), (2, "SIGTERM"), (2, "SIGHUP"), (3, "SIGKILL")]
)
def test_command_killed_while_writing_leaves_no_stack_file(tmp_path: Path, number: int, kind: str):
    def run(*arguments: str) -> int:
        command = [sys.executable, "-c", KILLED_AT, *arguments]
        environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
        return subprocess.run(command, cwd=tmp_path, env=environment, check=False).returncode

    assert run(str(number), kind) == -getattr(signal, kind)
    config, script = tmp_path / "Pulumi.prod.yaml", tmp_path / "restore-prod-1.sh"
    assert script.exists() or not config.exists()
    assert not config.exists()
    assert run("0", kind) == 0
    assert config.exists()
    assert not [*tmp_path.glob(".roles-*")]
