"""Tests `roles/adopt/selection.py` and the names of entries."""

import argparse
from pathlib import Path
from typing import Any, cast

import pytest

from pages.examples import ACCOUNT, APPLICATION_ARN, OTHER_ACCOUNT, REGION
from roles.account import DataSource
from roles.adopt import entries, selection
from roles.adopt.entries import Entry
from roles.errors import InputError
from roles.output import Output
from tests.helpers.world import OTHER_ID, World, data_source_id


def source(number: int, name: str = "Pages") -> DataSource:
    place = ("a1", "Docs", "i1", "Main")
    return DataSource(*place, data_source_id(number), name, "AEM", "ACTIVE", REGION)


def entry(number: int, name: str) -> Entry:
    """Return an entry with only the property on which its name depends."""
    return cast("Entry", argparse.Namespace(data_source=source(number, name)))


@pytest.mark.parametrize(
    ("display_names", "expected"),
    [
        (["Same", "kept", "same"], ["same", "kept-2", "same-2"]),
        (["A" * 41, "", "a" * 42], ["a" * 41, "aem", f"{'a' * 39}-2"]),
        (["\xc4", "Gr\xf6\xdfe \u6587 2"], ["source", "gr-e-2"]),
        (["", "2024"], ["aem", "source-2024"]),
        (["secure", "Secure!"], ["secure-source", "secure-source-2"]),
        ([f"{'y' * 40}-z"], ["y" * 40]),
        (["n"] * 10, ["n", *(f"n-{number}" for number in range(2, 11))]),
    ],
)
def test_entries_have_valid_unique_names(display_names: list[str], expected: list[str]):
    planned = [entry(number, name) for number, name in enumerate(display_names)]
    assert entries.names(planned, [], ["kept"]) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([(data_source_id(0), "chosen")], ["chosen", "wiki", "wiki-2"]),
        ([(data_source_id(2), "wiki")], ["wiki-2", "wiki-3", "wiki"]),
        (
            [(data_source_id(2), "a"), (data_source_id(0), "a")],
            "--name: a would be the name of two entries",
        ),
        ([(data_source_id(0), "kept")], "--name: kept would be the name of two entries: choose another"),
        (
            [(data_source_id(9), "a")],
            f"--name: {data_source_id(9)} is not one of the adopted data sources",
        ),
    ],
)
def test_chosen_names_take_precedence(given: list[tuple[str, str]], expected: list[str] | str):
    planned = [entry(number, "Wiki") for number in range(3)]
    if isinstance(expected, list):
        assert entries.names(planned, given, ["kept"]) == expected
    else:
        with pytest.raises(InputError, match=f"^{expected}"):
            entries.names(planned, given, ["kept"])


def select(capsys: pytest.CaptureFixture[str], **its: Any) -> tuple[list[str], str]:
    """Return the IDs of the selected data sources, and the notes."""
    lists: dict[str, Any] = {"exclude": [], "take": [], "data_source": []}
    options = argparse.Namespace(**{**lists, **its})
    found = selection.select([source(number) for number in (1, 2, 3)], options, Output("adopt"))
    return [each.id for each in found], capsys.readouterr().err


def test_options_select_and_exclude_data_sources(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    one, two, three = map(data_source_id, (1, 2, 3))
    text = f"{two}  # Wiki\r\n\n# handed back\n{data_source_id(9)}\n"
    (tmp_path / "kept.txt").write_text(text, "utf-8-sig")
    note = f"adopt: kept.txt: no data source {data_source_id(9)} was found, so the line has no effect\n"
    assert select(capsys) == ([one, two, three], "")
    assert select(capsys, data_source=[three, one]) == ([one, three], "")
    assert select(capsys, exclude=[three, "@kept.txt"]) == ([one], note)
    with pytest.raises(InputError, match="no data source is selected"):
        select(capsys, exclude=[one, two, three])
    for option in ("data_source", "exclude", "take"):
        with pytest.raises(InputError) as raised:
            select(capsys, **{option: [OTHER_ID]})
        first, *listed = raised.value.lines
        assert first == f"data source {OTHER_ID} is not in the application: pass the ID of one of these"
        assert listed == [f"  Pages {each} (AEM, ACTIVE)" for each in (one, two, three)]


@pytest.mark.parametrize(
    ("encoding", "value"), [("utf-16", data_source_id(2)), ("utf-8", data_source_id(2)[:-1])]
)
def test_line_that_is_not_an_id_is_rejected(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, encoding: str, value: str
):
    (tmp_path / "kept.txt").write_text(f"{value}\n", encoding)
    with pytest.raises(InputError, match="is not the ID of a data source"):
        select(capsys, exclude=[f"@{tmp_path / 'kept.txt'}"])


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        (
            "--name",
            f"{OTHER_ID}=Wiki",
            "a lowercase letter followed by up to 40 lowercase letters, digits, and",
        ),
        ("--name", f"{OTHER_ID}=secure", "the name `secure` is reserved"),
        ("--application", "zzz", "'zzz' is not an application ID or ARN: expected 36 letters, digits,"),
    ],
)
def test_invalid_option_values_are_rejected_without_calls(
    world: World, option: str, value: str, expected: str
):
    with pytest.raises(SystemExit) as stopped:
        world.adopt(option, value)
    assert stopped.value.code == 2
    assert expected in world.capsys.readouterr().err.splitlines()[-1]
    assert world.server.calls == []


def test_application_is_required_and_must_be_in_the_region_and_account(world: World):
    assert world.run("adopt", "--stack", "prod").rejection == (
        "adopt: no application: pass --application with its ID or ARN"
    )
    assert world.adopt("--application", APPLICATION_ARN, "--region", "eu-west-1").rejection == (
        f"adopt: --application is in {REGION}, but --region is eu-west-1: omit --region"
    )
    arn = APPLICATION_ARN.replace(ACCOUNT, OTHER_ACCOUNT)
    assert f"is in account {OTHER_ACCOUNT}, but the credentials are for account {ACCOUNT}: " in (
        world.adopt("--application", arn).rejection
    )
    world.patch.setenv("AWS_REGION", "eu-west-1")
    world.make()
    assert world.adopt("--application", APPLICATION_ARN).code == 0
