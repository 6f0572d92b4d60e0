"""Write commands of the AWS CLI that an answer or a report shows."""

from components.errors import quote_argument


def aws_command(command: str, **options: str) -> str:
    """Return a command such as `aws iam get-role --role-name NAME`, quoted for every shell.

    Options are named with underscores.
    """
    words = ["aws", command]
    for name, value in options.items():
        # A separate argument that begins with a hyphen is an option of its own for the AWS CLI.
        between = "=" if value.startswith("-") else " "
        words.append(f"--{name.replace('_', '-')}{between}{quote_argument(value)}")
    return " ".join(words)
