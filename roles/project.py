"""Read the files of the Pulumi project in this directory."""

from pathlib import Path
from typing import Any, Final, cast

import yaml

from roles.errors import InputError

_PROJECT_FILE: Final = "Pulumi.yaml"


def project_name() -> str:
    """Return the name of the project in this directory; raises InputError if there is none."""
    name = read_mapping(Path(_PROJECT_FILE)).get("name")
    if not isinstance(name, str):
        raise InputError(f"there is no {_PROJECT_FILE} with a name here: go to the project's directory")
    return name


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds an object; one that does not exist is empty."""
    if not path.exists():
        return {}
    try:
        # A named pipe has nothing to read.
        content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else "no file"
    except UnicodeDecodeError:
        content = "not UTF-8"
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise InputError(f"{path} is not valid YAML ({said}): fix it, or move it away") from None
    if not isinstance(content, dict | None):
        raise InputError(f"{path} is not a file of Pulumi's: fix it, or move it away")
    return cast("dict[str, Any]", content or {})
