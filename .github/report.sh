#!/usr/bin/env bash
# Run a command, and also write its output to report.md and the job's summary:
#   report.sh TITLE COMMAND...
# The exit code is the command's.
title=$1
shift
"$@" 2>&1 | tee output.txt
code=${PIPESTATUS[0]}
limit=60000 # GitHub accepts 65,536 characters in a comment or an issue
{
  printf '### %s\n\n' "$title"
  if test "$(wc -c <output.txt)" -gt "$limit"; then
    printf 'The beginning is cut off; the log contains the whole output.\n\n'
  fi
  # The output cannot end the code block.
  printf '~~~text\n%s\n~~~\n\n' "$(tail -c "$limit" output.txt | sed 's/~~~/---/g')"
  printf '[The log](%s), commit %s\n' "$RUN" "$COMMIT"
} >report.md
cat report.md >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
exit "$code"
