"""`roles` prints commands that change a stack's configuration, and that any shell can run."""

import pulumi
import pytest

from components.problems import Place, Source
from roles.commands import change_command, quote_argument


def test_argument_with_a_character_that_a_shell_interprets_is_quoted():
    assert quote_argument("aZ09_./:@%+,-") == "aZ09_./:@%+,-"
    for argument in ("", "-a", *(f"a{special}" for special in ' \n~=^#*?!$&;|<>(){}[]`"\\')):
        assert quote_argument(argument) == f"'{argument}'"
    assert quote_argument("it's") == "'it'\\''s'"


SET = "config set --stack acme/prod"
ENTRY = f"{SET} --path"


@pytest.mark.parametrize(
    ("path", "value", "command", "if_secret"),
    [
        (
            ("kmsKeyId",),
            "a b",
            f"{SET} --plaintext -- kmsKeyId 'a b'",
            f"{SET} --secret -- kmsKeyId 'a b'",
        ),
        (("kmsKeyId",), None, *2 * ("config rm --stack acme/prod -- kmsKeyId",)),
        (("tags", "a.b"), "x", f"{ENTRY} --type string -- 'tags[\"a.b\"]' x", None),
        (("wiki", "accountId"), "12", f"{ENTRY} --type string -- wiki.accountId 12", None),
        # Pulumi takes the value of a key like this for a secret, and rejects --type with it.
        *(
            ((name, "x"), "y", f"{ENTRY} --plaintext -- {name}.x y", None)
            for name in ("tokens", "pass", "pwd", "secrets")
        ),
        (("tokens", "x"), "12", f"{ENTRY} --type string -- tokens.x 12", None),
        (("tags", "\u00e9"), "x", None, None),
        (("tags", "back\\slash"), None, None, None),
    ],
)
def test_setting_is_changed_by_command_that_keeps_its_type(
    monkeypatch: pytest.MonkeyPatch,
    path: tuple[str, ...],
    value: str | None,
    command: str | None,
    if_secret: str | None,
):
    monkeypatch.setattr(pulumi, "get_stack", lambda: "prod")
    monkeypatch.setattr(pulumi, "get_organization", lambda: "acme")
    place = Place(path, Source.STACK)
    for each, expected in ((place, command), (place._replace(is_secret=True), if_secret)):
        shown = f"pulumi {expected}" if expected else "edit Pulumi.prod.yaml"
        assert change_command(each, value) == shown
