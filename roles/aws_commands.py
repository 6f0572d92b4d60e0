"""Format AWS CLI commands for answers and reports."""

from shlex import quote


def aws_command(command: str, **options: str) -> str:
    """Return a command such as `aws iam get-role --role-name NAME`, quoted for POSIX shells.

    The names of `options` have underscores in place of hyphens.
    """
    words = ["aws", command]
    for name, value in options.items():
        # The AWS CLI mistakes a separate argument with a leading hyphen for an option.
        between = "=" if value.startswith("-") else " "
        words.append(f"--{name.replace('_', '-')}{between}{quote(value)}")
    return " ".join(words)
