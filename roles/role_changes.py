"""Write shell commands that change one property of data sources, and keep the others."""

from typing import Any, Final, NamedTuple

import botocore.session

from components.problems import escape
from roles.account import DataSource
from roles.commands import quote_argument

ANY_ROLE: Final = "*"
"""The current role of a data source that may have any role."""
_UPDATE: Final = "UpdateDataSource"
_IS_SET: Final = (
    'with_entries(select(.value | . != null and (type != "object" or any(.[]; . != null and . != []))))'
)
"""The jq filter that drops unset properties; for an update, an empty structure is invalid, too."""
_SETUP: Final = r"""
files=${0%.sh} # a directory
now=$files/now.json sent=$files/sent.json
umask 077
trap 'rm -f "$now" "$sent"; rmdir "$files" 2>/dev/null || :' EXIT
trap 'echo "interrupted: run this script again" >&2; exit 130' HUP INT TERM
for program in aws jq; do
  if ! command -v "$program" >/dev/null; then echo "$program is not on PATH: install it" >&2; exit 2; fi
done
"""
_FUNCTIONS: Final = r"""
# AWS does not document whether an update keeps omitted properties. So each change sends all properties
# of the data source, and compares them afterward. Until a change is complete, the earlier properties are
# in a file in the directory. If this script is interrupted, run it again to complete or undo the change.

# The properties that a change of the role must not affect, and the role.
properties='
def properties: del(.status, .error, .createdAt, .updatedAt) | {IS_SET};
def of($role): .roleArn = (if $role == "" then null else $role end) | properties;'

say() { printf '%s: %s\n' "$label" "$1" >&2; }

# Write the data source as it is once no update is in progress.
read_now() {
  reads=0
  while :; do
    if ! aws qbusiness get-data-source --region "$region" --application-id "$application" \
      --index-id "$index" --data-source-id "$source" --output json >"$now"; then
      say "cannot be read (account: $account): correct this error, then run this script again"
      return 1
    fi
    status=$(jq -r .status "$now") || return 1
    case $status in
    ACTIVE | FAILED) return 0 ;;
    DELETING) say "is being deleted" && return 1 ;;
    esac
    reads=$((reads + 1))
    if [ "$reads" = 120 ]; then
      say "is still $status: wait until it is ACTIVE, then run this script again" && return 1
    fi
    sleep 5
  done
}

# Send all saved properties with this role. The caller finds out whether the update worked.
update() {
  jq --arg role "$1" "$properties {FIELDS} | of(\$role)" "$saved" >"$sent" || return 1
  aws qbusiness update-data-source --region "$region" --cli-input-json "file://$sent" >/dev/null ||
    say "the update failed"
  sleep 5
}

compare() {
  jq -n -r --arg role "$1" --slurpfile saved "$saved" --slurpfile now "$now" "$properties
    (\$saved[0] | of(\$role)) as \$old | (\$now[0] | properties) as \$new | $2"
}

# Return whether the data source has this role and, apart from that, the saved properties.
is_same() { [ "$(compare "$1" '$old == $new')" = true ]; }

# List how the data source differs from the saved properties with this role.
list_differences() {
  [ "$status" = ACTIVE ] || jq -r '"  status: \(.status) \(.error.errorMessage // "" | tojson)"' "$now"
  compare "$1" 'def leaves:
    [paths((type | . != "object" and . != "array") or . == [] or . == {}) as $path
      | {key: ($path | map(tostring) | join(".")), value: getpath($path)}] | from_entries;
    ($old | leaves) as $old | ($new | leaves) as $new | $old + $new | keys_unsorted[]
    | select($old[.] != $new[.])
    | "  \(.): expected \($old[.] | tojson), found \($new[.] | tojson)"'
}

# Change a role: LABEL REGION APPLICATION INDEX DATA_SOURCE NEW_ROLE CURRENT_ROLE [deleted].
# CURRENT_ROLE is empty for none, and * for any. A role that is deleted cannot be given back.
change_role() {
  label=$1 region=$2 application=$3 index=$4 source=$5 new=$6 current=$7 deleted=${8-}
  account=${new#*:iam::} && account=${account%%:*}
  saved=$files/$source.json
  mkdir -p "$files" && read_now || return 1
  role=$(jq -r '.roleArn // ""' "$now") || return 1
  if [ ! -e "$saved" ]; then
    if [ "$role" = "$new" ]; then
      echo "$label: already has $new"
      return 0
    fi
    if [ "$current" != '*' ] && [ "$role" != "$current" ]; then
      say "unchanged, because it now has another role (${role:-none}): repeat qbusiness-roles assign"
      return 1
    fi
    cp "$now" "$saved.part" && mv "$saved.part" "$saved" || return 1
  fi
  earlier=$(jq -r '.roleArn // ""' "$saved") || return 1
  if [ "$role" != "$new" ]; then
    if ! is_same "$earlier"; then
      say "unchanged, because it has changed since it was saved: correct it, or delete $saved"
      list_differences "$earlier" >&2
      return 1
    fi
    update "$new" && read_now || return 1
  fi
  if [ "$status" = ACTIVE ] && is_same "$new"; then
    rm "$saved"
    echo "$label: has $new"
    return 0
  fi
  if is_same "$earlier"; then
    say "unchanged: $status, with ${earlier:-no role}"
    list_differences "$earlier" >&2
    rm "$saved"
    return 1
  fi
  say "the new role is not all that changed:"
  list_differences "$new" >&2
  if [ -z "$earlier" ] || [ "$deleted" ]; then
    say "there is no earlier role to go back to; the earlier properties are in $saved"
    return 1
  fi
  update "$earlier" && read_now || return 1
  if is_same "$earlier"; then
    rm "$saved"
    say "undone: $status, with $earlier and all earlier properties"
  else
    say "not undone; the earlier properties are in $saved:"
    list_differences "$earlier" >&2
  fi
  return 1
}
"""


class RoleChange(NamedTuple):
    """A data source and the role that it gets."""

    data_source: DataSource
    label: str
    """The name of the data source in messages."""
    new: str
    """The ARN of the role that the data source gets."""
    current: str
    """The ARN of the role that the data source must have until then; empty for none, or `ANY_ROLE`."""
    current_is_deleted: bool = False

    @property
    def command(self) -> str:
        """The shell command; it needs `functions`."""
        source = self.data_source
        place = (source.region, source.application_id, source.index_id, source.id)
        words = [escape(self.label), *place, self.new, self.current]
        words += ["deleted"] if self.current_is_deleted else []
        return " ".join(("change_role", *map(quote_argument, words)))


def setup() -> str:
    """Return the start of a script that needs `aws` and `jq`.

    The variable `files`, the path of a directory, is the script's path without `.sh`, and `now` is the
    path of a temporary file in it.
    """
    return _SETUP


def functions() -> str:
    """Return the shell functions that change roles, for a script that begins with `setup`."""
    return _FUNCTIONS.replace("{FIELDS}", _fields()).replace("{IS_SET}", _IS_SET)


def _fields() -> str:
    """Return the jq filter that selects the properties that an update can send."""
    model: Any = botocore.session.get_session().get_service_model("qbusiness")
    return f"{{{', '.join(model.operation_model(_UPDATE).input_shape.members)}}}"
