"""roles/commands: arguments of commands are quoted for any shell."""

from roles.commands import quote_argument


def test_argument_with_a_character_that_a_shell_interprets_is_quoted():
    assert quote_argument("aZ09_./:@%+,-") == "aZ09_./:@%+,-"
    for argument in ("", "-a", *(f"a{special}" for special in ' \n~=^#*?!$&;|<>(){}[]`"\\')):
        assert quote_argument(argument) == f"'{argument}'"
    assert quote_argument("it's") == "'it'\\''s'"
