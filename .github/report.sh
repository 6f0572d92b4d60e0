#!/usr/bin/env bash
# Run a command, and report its output in the job summary and in report.md, for a comment or an issue:
#   report.sh TITLE COMMAND...
# The script exits with the command's code. With --markdown, the command prints a code block. The report contains
# the start of this block, with the most severe findings, and the job summary contains as much of it as fits.
title=$1
shift
limit=60000 # GitHub accepts 65,536 characters in a comment or an issue
end=5000
: >shown.md
# The output can contain text from AWS, such as `::add-mask::` in a policy. Between two lines with the same random
# token, the runner executes no commands, even in their older form, such as `##[add-mask]`. All output goes to standard
# output, because the runner does not read standard output and standard error in order. See
# https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#stopping-and-starting-workflow-commands
token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
printf '::stop-commands::%s\n' "$token"
case " $* " in
  *" --markdown "*)
    limit=4000 # in addition to 60,000 bytes of the code block
    end=4000
    "$@" 2>output.txt | tee shown.md
    code=${PIPESTATUS[0]}
    cat output.txt ;;
  *)
    "$@" 2>&1 | tee output.txt
    code=${PIPESTATUS[0]} ;;
esac
printf '\n::%s::\n' "$token" # a command must be at the start of a line

block() { # print at most this many bytes of the command's code block, in whole lines
  if test "$(wc -c <shown.md)" -le "$1"; then cat shown.md
  else
    head -c "$1" shown.md | sed '$d'
    printf '~~~\n\nThe end is omitted. The log contains the complete output.\n'
  fi
}

# A line for each resource that Pulumi would change: the operation, the type, and the name.
awk '/^ *[-+~=<>]+ ?[^ ]+: \([a-z-]+\)/ && !/: \((refresh|read)\)/ { sub(/^ +/, ""); step = $0 }
  step && sub(/^ *\[urn=/, "") { gsub(/([^:]|:[^:])*::/, ""); sub(/\]$/, ""); print step, $0; step = "" }' \
  output.txt >changes.txt

# Print a report with at most `limit` bytes of output. If there is more, print the beginning of another file, and
# the end of the output, where Pulumi prints the errors and the counts.
report() {
  local limit=$1 beginning=$2 shown=output.txt
  printf '### %s\n\n' "$title"
  block "$3"
  if test "$(wc -c <output.txt)" -gt "$limit"; then
    shown=shortened.txt
    { head -c $((limit - end)) "$beginning"; printf '…\n'; tail -c "$end" output.txt; } >"$shown"
    printf 'This output is shortened. The job summary has more, and the log has all of it.\n\n'
  fi
  if test -s "$shown"; then
    # The output cannot end the code block.
    printf '~~~text\n%s\n~~~\n' "$(sed 's/~~~/---/g' "$shown")"
  fi
  printf '\n[The log](%s), commit %s\n' "$RUN" "$COMMIT"
}

report "$limit" changes.txt 60000 >report.md
report 1000000 output.txt 1000000 >>"${GITHUB_STEP_SUMMARY:-/dev/null}" # GitHub accepts 1 MiB
exit "$code"
