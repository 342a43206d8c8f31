#!/bin/sh
# A program in the model's seat: the prompt comes on stdin, the answer goes to stdout.
# cairn explore ... --llm "command:sh tests/cases/llm/command/answer.sh"
prompt=$(cat)
users=$(printf '%s\n' "$prompt" | grep -c '^# User$')
case $prompt in
*'"slots"'*) printf '{"slots": [], "note": "asked by %s user messages"}\n' "$users" ;;
*) printf '{"note": "%s"}\n' "$(printf '%s' "$prompt" | wc -c | tr -d ' ') bytes read" ;;
esac
