"""Report the written files, and the commands that follow: for one role and for several."""

import shlex
from collections.abc import Iterator, Sequence

from components.connector_role import POLICY_NAME
from components.formats import MAXIMUM_INLINE_SIZE
from roles.adopt.files import IMPORT_FILE
from roles.adopt.room import MAXIMUM_ATTACHED, Room


def next_steps(stack: str, written: Sequence[str], rooms: Sequence[Room]) -> Iterator[str]:
    """Report which files were written, and the command that imports the roles."""
    if not written:
        yield "Nothing was written."
        return
    yield f"Written: {', '.join(written)}. Next steps: docs/adopt.md."
    before = "After these commands, import" if any(room.copies for room in rooms) else "Import"
    roles = "role" if len(rooms) == 1 else "roles"
    yield f"{before} the {roles}, which changes nothing in AWS:"
    yield ""
    yield (
        f"pulumi import --stack {shlex.quote(stack)} --file {IMPORT_FILE} --yes --protect=false "
        "--generate-code=false"
    )


def make_room(room: Room, *, written: bool) -> Iterator[str]:
    """Report which inline policies do not fit, and how to move them without a loss of access."""
    yield (
        f"No room for the role policy: the inline policies of a role may have {MAXIMUM_INLINE_SIZE:,} "
        "characters together, without whitespace."
    )
    for name, size in room.kept.items():
        yield f"  {size:6,}  {name}, kept"
    yield f"  {room.role_policy:6,}  {POLICY_NAME}, written by `pulumi up`"
    yield f"  {room.excess:6,}  over the limit"
    yield "Before `pulumi up`, which would fail after it has updated the trust policy,"
    if room.remaining_excess:
        yield (
            f"shorten the kept policies by {room.remaining_excess:,} characters: they contain "
            "statements too large for a managed policy."
        )
        if not room.copies:
            return
        yield "Then"
    moved = ", ".join(room.moved)
    yield f"create managed policies from {moved}. The role keeps all its permissions in the meantime."
    attached = room.role.attached
    if attached is None:
        yield (
            "The number of managed policies attached to the role could not be read; IAM's quota is by "
            f"default {MAXIMUM_ATTACHED} per role."
        )
    elif (count := len(attached) + len(room.copies)) > MAXIMUM_ATTACHED:
        yield (
            f"That makes {count} managed policies: request an increase of IAM's quota, by default "
            f"{MAXIMUM_ATTACHED} per role."
        )
    if not written:
        yield "Without --dry-run, adopt writes the documents and prints the commands."
        return
    yield ""
    yield "1. Copy and attach:"
    yield ""
    yield from room.copy_commands().split("\n")
    yield ""
    yield "2. Wait a minute, until the copies take effect everywhere. Then delete the originals:"
    yield ""
    yield from room.delete_commands().split("\n")


def room_document(room: Room) -> dict[str, object]:
    """Return the members that `--json` shows about the inline policies of a role."""
    return {
        "maximum": MAXIMUM_INLINE_SIZE,
        "kept": room.kept,
        "rolePolicy": room.role_policy,
        "excess": room.excess,
        "copies": [copy._asdict() for copy in room.copies],
        "copy": room.copy_commands(),
        "delete": room.delete_commands(),
    }
