"""Tests `sandbox/engine.py`: the download of the Pulumi CLI, and the build with Go in its place."""

import hashlib
import io
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from sandbox import engine
from sandbox.engine import NoEngineError, prepare_engine
from tests.helpers.loopback import Handler, serving

ARCHIVE = "pulumi-v3.276.0-linux-x64.tar.gz"
PROGRAMS = ("pulumi", "pulumi-language-python", "pulumi-language-yaml")
DOWNLOADING = "downloading the Pulumi CLI v3.276.0; this takes about a minute, but only once"
BUILDING = (
    "building the Pulumi engine v3.276.0 with Go; this takes about five minutes on two cores, "
    "but only once"
)
ADVICE = (
    "Install the Pulumi CLI (https://www.pulumi.com/docs/install/) or a Go toolchain "
    "(https://go.dev/doc/install) of at least the version in sandbox/engine/go.mod. Then run the "
    "command again."
)
# `go list` prints the packages and the SDK's directory; `go build` writes the programs.
GO = r"""#!/bin/sh
case $1 in
    list) case $2 in -deps) echo package ;; *) echo "${0%/*}/sdk" ;; esac ;;
    build) while test "$1" != -o; do shift; done; echo built >"$2/pulumi" ;;
esac
"""


def pack(*programs: str) -> bytes:
    """Return an archive with these programs in the directory `pulumi`, as in Pulumi's releases."""
    with io.BytesIO() as content:
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for program in programs:
                member = tarfile.TarInfo(f"pulumi/{program}")
                member.mode = 0o755
                member.size = len(program)
                archive.addfile(member, io.BytesIO(program.encode()))
        return content.getvalue()


class Site:
    """The two sites of a Pulumi release, on one server."""

    def __init__(self) -> None:
        self.archive = pack(*PROGRAMS)
        self.listed = self.archive
        """The archive whose checksum the release lists."""
        self.archive_name = ARCHIVE
        self.missing_bytes = 0
        """The number of bytes that the server announces but does not send."""
        self.is_late = False
        self.requests: list[str] = []

    def list_checksums(self) -> bytes:
        checksum = hashlib.sha256(self.listed).hexdigest()
        return f"{'0' * 64}  pulumi-v3.276.0-windows-x64.zip\n{checksum}  {self.archive_name}\n".encode()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only directory on PATH, which is empty; the engine's cache is empty, too."""
    monkeypatch.setattr(engine, "CACHE", tmp_path / "cache")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    directory = tmp_path / "programs"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    return directory


@pytest.fixture
def site(programs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    del programs
    release, ended = Site(), Event()

    class SiteHandler(Handler):
        def do_GET(self) -> None:  # noqa: N802 http.server calls it
            release.requests.append(self.path)
            if release.is_late:
                ended.wait()
            elif self.path == "/checksums/v3.276.0/pulumi-3.276.0-checksums.txt":
                self.answer(200, release.list_checksums())
            elif self.path == f"/archives/{release.archive_name}":
                size = len(release.archive) + release.missing_bytes
                self.answer(200, release.archive, {"Content-Length": str(size)})
            else:
                self.answer(404, b"")

    with serving(SiteHandler) as url:
        monkeypatch.setattr(engine, "CHECKSUM_SITE", f"{url}/checksums")
        monkeypatch.setattr(engine, "ARCHIVE_SITE", f"{url}/archives")
        yield release
        ended.set()


def install_go(programs: Path) -> None:
    sdk = programs / "sdk" / "python" / "cmd"
    sdk.mkdir(parents=True)
    (sdk / "pulumi-language-python-exec").touch()
    (programs / "go").write_text(GO)
    (programs / "go").chmod(0o755)


@pytest.mark.parametrize(
    "platform",
    [
        ("Linux", "x86_64", "linux-x64"),
        ("Linux", "aarch64", "linux-arm64"),
        ("Darwin", "arm64", "darwin-arm64"),
    ],
)
def test_release_for_this_machine_is_downloaded_once_even_if_go_is_installed(
    site: Site,
    programs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    platform: tuple[str, str, str],
):
    system, machine, name = platform
    install_go(programs)
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    site.archive_name = f"pulumi-v3.276.0-{name}.tar.gz"
    binaries = prepare_engine()
    assert {path.name: path.read_text() for path in binaries.iterdir()} == {
        program: program for program in PROGRAMS
    }
    assert all(path.stat().st_mode & 0o111 for path in binaries.iterdir())
    assert prepare_engine() == binaries
    assert len(site.requests) == 2
    assert capsys.readouterr().err == f"sandbox: {DOWNLOADING}\n"
    # Neither the archive nor other files of the download are left.
    assert sorted(path.name for path in engine.CACHE.iterdir()) == sorted(["lock", binaries.name])


def make_late(site: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(engine, "SITE_TIMEOUT", 0.2)
    site.is_late = True
    return r"http://\S+/pulumi-3\.276\.0-checksums\.txt: no answer within 0\.2 seconds"


def make_unreachable(site: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    del site
    # Nothing listens on port 1.
    monkeypatch.setattr(engine, "CHECKSUM_SITE", "http://127.0.0.1:1")
    return r"http://\S+/pulumi-3\.276\.0-checksums\.txt: \[Errno \d+\] Connection refused"


def remove_archive(site: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    del site
    monkeypatch.setattr(engine, "ARCHIVE_SITE", f"{engine.ARCHIVE_SITE}/missing")
    return rf"http://\S+/{ARCHIVE}: HTTP Error 404: Not Found"


def list_other_machines(site: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    del site
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    return r"http://\S+-checksums\.txt does not list pulumi-v3\.276\.0-linux-riscv64\.tar\.gz"


def cut_archive(site: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    del monkeypatch
    site.missing_bytes = 7
    size = len(site.archive)
    return rf"http://\S+/{ARCHIVE}: the download ended after {size} of {size + 7} bytes"


def replace_archive(site: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    del monkeypatch
    site.archive = pack("pulumi", "pulumi-language-python", "something-else")
    return (
        rf"the SHA-256 checksum of {ARCHIVE} is [0-9a-f]{{64}}, but the release lists [0-9a-f]{{64}}, "
        "so the archive was deleted and not unpacked"
    )


def damage_archive(site: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    del monkeypatch
    site.archive = site.listed = pack(*PROGRAMS)[:-20]
    return rf"{ARCHIVE} cannot be unpacked: .+"


def leave_out_language_host(site: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    del monkeypatch
    site.archive = site.listed = pack("pulumi")
    return rf"{ARCHIVE} does not contain pulumi/pulumi-language-python"


@pytest.mark.parametrize(
    "fail",
    [
        make_late,
        make_unreachable,
        remove_archive,
        list_other_machines,
        cut_archive,
        replace_archive,
        damage_archive,
        leave_out_language_host,
    ],
)
def test_go_builds_the_engine_if_the_download_fails(
    site: Site,
    programs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fail: Callable[[Site, pytest.MonkeyPatch], str],
):
    reason = f"the Pulumi CLI cannot be downloaded: {fail(site, monkeypatch)}"
    with pytest.raises(NoEngineError) as error:
        prepare_engine()
    assert re.fullmatch(f"{reason}\n{re.escape(ADVICE)}", str(error.value))
    assert capsys.readouterr().err == f"sandbox: {DOWNLOADING}\n"
    assert [path.name for path in engine.CACHE.iterdir()] == ["lock"]

    install_go(programs)
    binaries = prepare_engine()
    assert sorted(path.name for path in binaries.iterdir()) == ["pulumi", "pulumi-language-python-exec"]
    assert (binaries / "pulumi").read_text() == "built\n"
    output = capsys.readouterr().err
    assert re.fullmatch(
        f"sandbox: {DOWNLOADING}\nsandbox: {reason}\nsandbox: {re.escape(BUILDING)}\n", output
    )


def test_engine_on_path_is_announced_and_neither_downloaded_nor_built(
    site: Site, programs: Path, capsys: pytest.CaptureFixture[str]
):
    for program in ("pulumi", "pulumi-language-python"):
        (programs / program).touch(mode=0o755)
    assert engine.main() == 0
    assert capsys.readouterr().err == f"sandbox: using the Pulumi CLI on PATH: {programs}/pulumi\n"
    assert site.requests == []
    # Without its language host, the CLI cannot run the program.
    (programs / "pulumi-language-python").unlink()
    assert prepare_engine() == engine.CACHE / next(
        path.name for path in engine.CACHE.iterdir() if path.is_dir()
    )
    assert len(site.requests) == 2
