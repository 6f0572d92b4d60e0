"""Files are replaced completely, as private as they were."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from roles.errors import InputError
from roles.writing import write
from sandbox.environment import PROJECT
from tests.helpers.world import World

pytestmark = pytest.mark.slow

KILLED: Final = """\
import os, signal
from pathlib import Path
from roles.writing import write

Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write({Path("page.html"): "text"})
"""


def test_a_file_is_replaced_completely_behind_its_link(world: World):
    world.add_own()
    world.path("filed").mkdir()
    (world.path("filed") / "audit.html").write_text("yesterday's" * 10_000)
    world.path("latest.html").symlink_to("filed/audit.html")
    assert world.audit("--html", "latest.html").code == 0
    assert world.path("latest.html").is_symlink()
    text = (world.path("filed") / "audit.html").read_text()
    assert text.startswith("<!doctype html>")
    assert text.endswith("</html>")
    assert "yesterday's" not in text
    assert [path.name for path in world.path("filed").iterdir()] == ["audit.html"]


def test_a_file_keeps_its_permissions(world: World):
    world.add_own()
    world.path("private.html").write_text("yesterday's")
    world.path("private.html").chmod(0o600)
    world.path("private.html.unfinished").write_text("mine")
    world.path("next.html").symlink_to("later.html")
    before = os.umask(0o037)
    try:
        for name in ("private.html", "new.html", "next.html"):
            assert world.audit("--html", name).code == 0
    finally:
        os.umask(before)
    assert world.path("private.html.unfinished").read_text() == "mine"
    modes = {path.name: path.stat().st_mode & 0o777 for path in world.directory.glob("*.html")}
    new = dict.fromkeys(("new.html", "next.html", "later.html"), 0o640)
    assert modes == {"private.html": 0o600, **new}
    assert len([*world.directory.iterdir()]) == 5


@pytest.mark.parametrize(
    ("file", "line"),
    [
        (".", "audit: . is a directory: specify another name, or move it"),
        ("missing/audit.html", "audit: missing/audit.html cannot be written: No such file or directory"),
        ("a" * 256, f"audit: {'a' * 256} cannot be written: File name too long"),
        ("file/audit.html", "audit: file/audit.html cannot be written: Not a directory"),
        ("pipe", "audit: pipe is not a regular file: specify another name, or move it"),
        ("loop", "audit: loop is not a regular file: specify another name, or move it"),
    ],
)
def test_a_file_that_cannot_be_written_is_one_line_before_any_call(world: World, file: str, line: str):
    world.path("file").write_text("")
    os.mkfifo(world.path("pipe"))
    world.path("loop").symlink_to("loop")
    said = world.audit("--html", file)
    assert (said.code, said.out, said.err) == (2, "", f"{line}\n")
    assert world.audit("--html", file, "--json").json == {"error": line.removeprefix("audit: ")}
    assert world.server.calls == []
    assert world.files == ["file", "loop", "pipe"]


def test_a_file_that_cannot_be_finished_is_left_unchanged(world: World):
    world.add_own()
    world.path("audit.html").write_text("yesterday's")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    world.patch.setattr(Path, "write_text", fail)
    said = world.audit("--html", "audit.html")
    assert (said.code, said.out) == (2, "")
    assert said.err == "audit: audit.html cannot be written: No space left on device\n"
    assert world.files == ["audit.html"]
    assert world.path("audit.html").read_text() == "yesterday's"


def test_if_a_file_cannot_be_replaced_the_others_become_what_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
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


@pytest.mark.parametrize("project", [PROJECT, PROJECT / "template"])
def test_git_ignores_what_a_killed_command_leaves(tmp_path: Path, project: Path):
    shutil.copy(project / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [*tmp_path.glob(".roles-*/page.html")]
    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    assert subprocess.check_output(status, cwd=tmp_path, text=True) == "?? .gitignore\n"
