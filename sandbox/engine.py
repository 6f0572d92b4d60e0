"""Find, download, or build the Pulumi engine.

The first option is the `pulumi` on PATH, if it can run Python programs. The second option is the archive
that Pulumi's installer (https://get.pulumi.com/install.sh) downloads; unlike the installer, this module
verifies the checksum that the release lists. The last option, if Go is installed, is a build of the
CLI's published Go module and of a language host for Python, which the module does not contain.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from threading import Thread
from typing import IO, Final
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

VERSION: Final = "3.276.0"
"""The release to download or build; the same as in `engine/go.mod`."""

CACHE: Final = Path(__file__).resolve().parent.parent / ".sandbox" / "engine"
"""The directory for engines that were downloaded or built."""
# The checksums and the archive come from two sites, so that nobody can replace both through one of them.
CHECKSUM_SITE: Final = "https://github.com/pulumi/pulumi/releases/download"
ARCHIVE_SITE: Final = "https://get.pulumi.com/releases/sdk"
SITE_TIMEOUT: Final = 5.0
"""Seconds to wait for a site's answer, and for more data during a download."""
_SOURCE: Final = Path(__file__).parent / "engine"
_SDK_MODULE: Final = "github.com/pulumi/pulumi/sdk/v3"
_PACKAGES: Final = (
    "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml",
    "./pulumi-language-python",
)
"""The CLI, the language host for YAML programs, and the sandbox's language host for Python programs."""
_ARCHITECTURES: Final = {"x86_64": "x64", "aarch64": "arm64"}
"""Pulumi's names for architectures, where they differ from Python's."""
_CHUNK_SIZE: Final = 1 << 16
_PROGRESS_INTERVAL: Final = 5.0
"""The minimum time between progress lines, in seconds."""
_ADVICE: Final = (
    "Install the Pulumi CLI (https://www.pulumi.com/docs/install/) or a Go toolchain "
    "(https://go.dev/doc/install) of at least the version in sandbox/engine/go.mod. Then run the "
    "command again."
)


class NoEngineError(Exception):
    """Raised when there is no engine; the message contains the reason and the next step."""


class _DownloadError(Exception):
    """Raised when the CLI cannot be downloaded; the message is the reason, in one line."""


class _Progress:
    """The progress of a step, of which at most one line is shown in each `_PROGRESS_INTERVAL`."""

    def __init__(self) -> None:
        self.start = self.last_report = time.monotonic()

    def report(self, progress: str) -> None:
        current_time = time.monotonic()
        if current_time - self.last_report > _PROGRESS_INTERVAL:
            self.last_report = current_time
            say(f"{current_time - self.start:.0f} s, {progress}")


def prepare_engine() -> Path:
    """Return the directory that contains `pulumi`; download or build the engine if necessary.

    Raises NoEngineError if that fails.
    """
    return _find_on_path() or make_once(CACHE / _digest_sources(), _make_engine)


def make_once(target: Path, make: Callable[[Path], Path]) -> Path:
    """Return the directory `target`; if it does not exist, create it atomically.

    `make` receives an empty directory, and returns a directory in it, which becomes `target`.
    """
    if target.exists():
        return target
    cache = target.parent
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # sandboxes share the cache, so only one may make `target`
        if target.exists():
            return target
        for killed in cache.glob("unfinished-*"):
            shutil.rmtree(killed)
        with tempfile.TemporaryDirectory(dir=cache, prefix="unfinished-") as unfinished:
            make(Path(unfinished)).rename(target)
    return target


def _find_on_path() -> Path | None:
    """Return the directory of the user's Pulumi CLI; None if it is missing or cannot run Python."""
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        return None
    binaries = Path(pulumi).resolve().parent
    search_path = f"{binaries}:{os.environ.get('PATH', os.defpath)}"
    return binaries if shutil.which("pulumi-language-python", path=search_path) else None


def _digest_sources() -> str:
    """Return a digest of the files in `engine/`; if it changes, a new engine is made."""
    sources = sorted(path for path in _SOURCE.rglob("*") if path.is_file())
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]


def _make_engine(unfinished: Path) -> Path:
    """Download the CLI or, if that fails, build the engine with Go; return its directory.

    A wrong checksum does not stop the build, which uses nothing from the download: go.sum contains the
    checksums of all modules.
    """
    try:
        return _download_cli(unfinished)
    except _DownloadError as error:
        reason = f"the Pulumi CLI cannot be downloaded: {error}"
    if not shutil.which("go"):
        raise NoEngineError(f"{reason}\n{_ADVICE}")
    say(reason)
    return _build_engine(unfinished / "built")


def _download_cli(unfinished: Path) -> Path:
    """Download and unpack the release's archive; return the directory that contains `pulumi`.

    The archive contains the language hosts, too. Raises _DownloadError if a site does not answer in
    time, or if the archive is incomplete, damaged, or not the one that the release lists.
    """
    machine = platform.machine()
    system = f"{platform.system().lower()}-{_ARCHITECTURES.get(machine, machine)}"
    archive = unfinished / f"pulumi-v{VERSION}-{system}.tar.gz"
    say(f"downloading the Pulumi CLI v{VERSION}; this takes about a minute, but only once")
    expected = _read_checksum(archive.name)
    actual = _download_archive(archive)
    if actual != expected:
        raise _DownloadError(
            f"the SHA-256 checksum of {archive.name} is {actual}, but the release lists {expected}, so "
            "the archive was deleted and not unpacked"
        )
    try:
        with tarfile.open(archive) as members:
            # Python 3.11.3 and earlier have no filter.
            members.extraction_filter = getattr(tarfile, "data_filter", None)
            members.extractall(unfinished)  # noqa: S202 the release lists this archive
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise _DownloadError(f"{archive.name} cannot be unpacked: {error}") from None
    binaries = unfinished / "pulumi"
    for program in ("pulumi", "pulumi-language-python"):
        if not shutil.which(program, path=binaries):
            raise _DownloadError(f"{archive.name} does not contain pulumi/{program}")
    return binaries


def _read_checksum(archive_name: str) -> str:
    """Return the SHA-256 checksum that the release lists for an archive."""
    url = f"{CHECKSUM_SITE}/v{VERSION}/pulumi-{VERSION}-checksums.txt"
    with _open_url(url) as response:
        lines = response.read().decode(errors="replace").splitlines()
    for line in lines:
        checksum, _, file_name = line.partition("  ")
        if file_name == archive_name:
            return checksum
    raise _DownloadError(f"{url} does not list {archive_name}")


def _download_archive(archive: Path) -> str:
    """Download the archive with this file's name, show the progress, and return the SHA-256 checksum."""
    url = f"{ARCHIVE_SITE}/{archive.name}"
    digest = hashlib.sha256()
    received = 0
    progress = _Progress()
    with _open_url(url) as response, archive.open("wb") as file:
        size = int(response.headers.get("Content-Length", 0))
        while chunk := response.read(_CHUNK_SIZE):
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            progress.report(f"{received >> 20} of {size >> 20} MB downloaded")
    if received < size:
        raise _DownloadError(f"{url}: the download ended after {received} of {size} bytes")
    return digest.hexdigest()


@contextmanager
def _open_url(url: str) -> Generator[HTTPResponse]:
    """Yield a site's response; raise _DownloadError if it fails or does not arrive in time.

    The request runs in a thread, because the socket's timeout does not limit the lookup of the host, and
    starts again for each of the host's addresses.
    """
    answer: Future[HTTPResponse] = Future()

    def send_request() -> None:
        try:
            answer.set_result(urlopen(url, timeout=SITE_TIMEOUT))  # noqa: S310 one of the two sites
        except Exception as error:  # noqa: BLE001 the other thread raises it
            answer.set_exception(error)

    Thread(target=send_request, daemon=True).start()
    try:
        with answer.result(SITE_TIMEOUT) as response:
            yield response
    except HTTPError as error:
        error.close()
        raise _DownloadError(f"{url}: {error}") from None
    except (HTTPException, OSError) as error:
        cause = error.reason if isinstance(error, URLError) else error
        if isinstance(cause, TimeoutError):
            cause = f"no answer within {SITE_TIMEOUT:g} seconds"
        raise _DownloadError(f"{url}: {cause}") from None


def _build_engine(target: Path) -> Path:
    """Build the CLI and the language hosts with Go into a new directory, and return it.

    Raises NoEngineError if Go fails.
    """
    say(
        f"building the Pulumi engine v{VERSION} with Go; this takes about five minutes on two cores, "
        "but only once"
    )
    target.mkdir()
    packages = _run_go("downloads", "list", "-deps", *_PACKAGES)
    _run_go(
        f"of {len(packages)} packages compiled",
        *("build", "-v", "-trimpath", "-tags", "osusergo,grpcnotrace"),
        # The linker drops debug information anyway, so the compiler does not need to write it.
        *("-gcflags=all=-dwarf=false", "-ldflags"),
        f"-s -w -X {_SDK_MODULE}/go/common/version.Version=v{VERSION}",
        *("-o", f"{target}{os.sep}", *_PACKAGES),
    )
    # The executor comes from Pulumi's SDK. Its path in the module is undocumented and may change in a
    # newer release.
    sdk = Path(_run_go("downloads for Pulumi's SDK", "list", "-m", "-f", "{{.Dir}}", _SDK_MODULE)[0])
    executor = sdk / "python" / "cmd" / "pulumi-language-python-exec"
    shutil.copyfile(executor, target / executor.name)
    return target


def _run_go(step: str, *arguments: str) -> list[str]:
    """Run Go and return its standard output as lines; show how many lines it writes to standard error.

    Raises NoEngineError if Go fails.
    """
    with tempfile.TemporaryFile("w+") as output:
        with subprocess.Popen(
            ["go", *arguments],
            cwd=_SOURCE,
            env={**os.environ, "GOWORK": "off"},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None  # noqa: S101 a type guard
            last_lines = _show_progress(process.stderr, step)
        if process.returncode:
            raise NoEngineError(f"The engine could not be built:\n{last_lines}\n{_ADVICE}")
        output.seek(0)
        return output.read().splitlines()


def _show_progress(lines: IO[str], step: str) -> str:
    """Show the number of lines that a step has printed; return the last lines for an error message."""
    progress = _Progress()
    last_lines: deque[str] = deque(maxlen=12)
    for count, line in enumerate(lines, start=1):
        last_lines.append(line.rstrip())
        progress.report(f"{count} {step}")
    return "\n".join(last_lines)


def say(message: str) -> None:
    """Print a line about the sandbox itself."""
    print(f"sandbox: {message}", file=sys.stderr, flush=True)


def main() -> int:
    """Find, download, or build the engine, and return the exit code."""
    try:
        binaries = prepare_engine()
    except NoEngineError as error:
        say(str(error))
        return 1
    if binaries.parent != CACHE:
        say(f"using the Pulumi CLI on PATH: {binaries / 'pulumi'}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # the exit code that shells report after Ctrl-C
