"""Write files completely or leave them unchanged."""

import fcntl
import os
import re
import shutil
import stat
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from roles.errors import InputError

_PREFIX: Final = ".roles-unfinished-"
"""The beginning of the names of directories with unfinished files; Git ignores them."""


@contextmanager
def locked_directory() -> Generator[None]:
    """Lock the current directory, so that only one command at a time writes to it."""
    directory = os.open(".", os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def next_path(kind: str, stack: str) -> Path:
    """Return the path `KIND-STACK-N.sh`, where N is one more than the highest number in use.

    The number of a script's directory is in use even if the script was deleted, because the directory's
    files belong to that script. The caller must hold the current directory's lock.
    """
    prefix = f"{kind}-{part_of_file_name(stack)}-"
    pattern = re.compile(f"{re.escape(prefix)}([0-9]+)(?:\\.sh)?")
    numbers = [int(found[1]) for path in Path().iterdir() if (found := pattern.fullmatch(path.name))]
    return Path(f"{prefix}{max(numbers, default=0) + 1}.sh")


def part_of_file_name(stack: str) -> str:
    """Return a stack's name without slashes, which separate an organization and a project."""
    return stack.replace("/", "-")


def check_writable(*paths: Path) -> None:
    """Raise InputError if a path exists and is not a regular file, or its directory is not writable."""
    with ExitStack() as stack:
        for path in paths:
            with _explained(path):
                _unfinished(path, stack).touch()


def write(contents: Mapping[Path, str]) -> None:
    """Write all files, or none; raise InputError if one cannot be written.

    The files are replaced in order, so if the command is killed, later files are still as they were. A
    symbolic link is kept, and its target is replaced. A file keeps its permissions and, if the system
    allows it, its owner. The caller must hold a lock for the directories, because this function removes
    the unfinished files of earlier and concurrent commands.
    """
    for directory in {Path(os.path.realpath(path)).parent for path in contents}:
        for left_behind in directory.glob(f"{_PREFIX}*/"):
            shutil.rmtree(left_behind, ignore_errors=True)
    with ExitStack() as stack, ExitStack() as undo:
        finished: dict[Path, Path] = {}
        for path, content in contents.items():
            with _explained(path):
                finished[path] = _unfinished(path, stack)
                finished[path].write_text(content, encoding="utf-8")
                _copy_permissions(path, finished[path])
        for path, other in finished.items():
            with _explained(path):
                restore = _restorer(path, stack)
                other.replace(os.path.realpath(path))
                undo.callback(restore)
        undo.pop_all()  # nothing to undo


def _unfinished(path: Path, stack: ExitStack) -> Path:
    """Return a path for a temporary file in a new private directory, on the same file system as `path`.

    `stack` removes the directory. Raises InputError if `path` exists and is not a regular file.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise InputError(f"{path} is a directory: move it")
    if (path.exists() or target.is_symlink()) and not path.is_file():
        raise InputError(f"{path} is not a regular file: move it")
    directory = TemporaryDirectory(dir=target.parent, prefix=_PREFIX, ignore_cleanup_errors=True)
    return Path(stack.enter_context(directory)) / target.name


def _restorer(path: Path, stack: ExitStack) -> Callable[[], object]:
    """Return a function that restores a file as it is now, or removes a file that is created later."""
    target = Path(os.path.realpath(path))
    if not target.exists():
        return target.unlink
    copy = _unfinished(path, stack)
    shutil.copyfile(target, copy)
    _copy_permissions(path, copy)
    return partial(copy.replace, target)


def _copy_permissions(path: Path, unfinished: Path) -> None:
    """Copy an existing file's permissions and, if allowed, its owner to the file that replaces it."""
    with suppress(FileNotFoundError):
        old = path.stat()
        with suppress(PermissionError):
            os.chown(unfinished, old.st_uid, old.st_gid)
        unfinished.chmod(stat.S_IMODE(old.st_mode))


@contextmanager
def _explained(path: Path) -> Generator[None]:
    """Convert a file system error to InputError."""
    try:
        yield
    except PermissionError:
        directory = Path(os.path.realpath(path)).parent
        raise InputError(
            f"{path} cannot be written: Permission denied: the command replaces the whole file, so "
            "you need read permission for the file, if it exists, and write permission for its "
            f"directory {directory}"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
