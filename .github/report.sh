#!/usr/bin/env bash
# Run a command, and also write its output to report.md and to the job summary:
#   report.sh TITLE COMMAND...
# The script exits with the command's code. With --markdown, the output is a code block, of which the report
# has the beginning, with the most severe findings, and the summary everything that fits.
title=$1
shift
limit=60000 # GitHub accepts 65,536 characters in a comment or an issue
: >shown.md
case " $* " in
  *" --markdown "*)
    limit=4000 # in addition to 60,000 bytes of the code block
    "$@" 2>output.txt | tee shown.md
    code=${PIPESTATUS[0]}
    cat output.txt >&2 ;;
  *)
    "$@" 2>&1 | tee output.txt
    code=${PIPESTATUS[0]} ;;
esac
shown() { # print at most this many bytes of the code block, in whole lines
  if test "$(wc -c <shown.md)" -le "$1"; then cat shown.md
  else
    head -c "$1" shown.md | sed '$d'
    printf '~~~\n\nThe end is omitted. The log contains the complete output.\n'
  fi
}
report() { # print the report with at most this many bytes of the code block
  printf '### %s\n\n' "$title"
  shown "$1"
  if test "$(wc -c <output.txt)" -gt "$limit"; then
    printf 'The beginning is omitted. The log contains the complete output.\n\n'
  fi
  if test -s output.txt; then
    # The output cannot end the code block.
    printf '~~~text\n%s\n~~~\n' "$(tail -c "$limit" output.txt | sed 's/~~~/---/g')"
  fi
  printf '\n[The log](%s), commit %s\n' "$RUN" "$COMMIT"
}
report 60000 >report.md
report 1000000 >>"${GITHUB_STEP_SUMMARY:-/dev/null}" # GitHub accepts 1 MiB
exit "$code"
