#!/usr/bin/env bash
# Run a command, and also write its output to report.md and to the job summary:
#   report.sh TITLE COMMAND...
# The script exits with the command's code. With --markdown, the output is Markdown that fits.
title=$1
shift
limit=60000 # GitHub accepts 65,536 characters in a comment or an issue
: >shown.md
case " $* " in
  *" --markdown "*)
    limit=4000 # in addition to 60,000 bytes of Markdown
    "$@" 2>output.txt | tee shown.md
    code=${PIPESTATUS[0]}
    cat output.txt >&2 ;;
  *)
    "$@" 2>&1 | tee output.txt
    code=${PIPESTATUS[0]} ;;
esac
{
  printf '### %s\n\n' "$title"
  cat shown.md
  if test "$(wc -c <output.txt)" -gt "$limit"; then
    printf 'The beginning is omitted. The log contains the complete output.\n\n'
  fi
  if test -s output.txt; then
    # The output cannot end the code block.
    printf '~~~text\n%s\n~~~\n' "$(tail -c "$limit" output.txt | sed 's/~~~/---/g')"
  fi
  printf '\n[The log](%s), commit %s\n' "$RUN" "$COMMIT"
} >report.md
cat report.md >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
exit "$code"
