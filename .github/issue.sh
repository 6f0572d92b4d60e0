#!/usr/bin/env bash
# Run a command, report it, and open, update, or close an issue with its findings:
#   issue.sh CODE TITLE COMMAND...
# CODE is the command's exit code for findings. The script exits with the command's code or, if the GitHub CLI
# fails, with the CLI's code.
findings=$1
title=$2
shift
code=0
bash "$(dirname "$0")/report.sh" "$@" || code=$?
# Anyone can open an issue with this title, so update or close only the workflow's own issue.
export title
issue=$(gh issue list --state open --limit 10000 --json number,title,author --jq \
  '[.[] | select(.title == env.title and .author.login == "app/github-actions") | .number] | first // empty') || exit
case $code in
  0)
    if test -n "$issue"; then gh issue close "$issue" --comment "Solved: $RUN" || exit; fi ;;
  "$findings")
    if test -n "$issue"; then gh issue edit "$issue" --body-file report.md || exit
    else gh issue create --title "$title" --body-file report.md || exit; fi ;;
esac
exit "$code"
