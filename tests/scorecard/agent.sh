# A scripted agent: `sh agent.sh PLAN command|claude`. Line N of PLAN/<task> is what the Nth start for that task does;
# the last line goes on for ever, and a task without a plan is done well. PLAN/<task>.edit.<N> is what a person does
# to the PRD meanwhile. As `claude` it prints Claude Code's events, else text.
plan=$1 as=$2 task=$RALPH_TASK_ID
cat > /dev/null
echo "$task" >> "$plan/starts"
n=$(grep -cx "$task" "$plan/starts")
behaviour=good
[ -e "$plan/$task" ] && behaviour=$(sed -n "${n}p" "$plan/$task") && [ -z "$behaviour" ] && behaviour=$(tail -n 1 "$plan/$task")
[ -e "$plan/$task.edit.$n" ] && . "$plan/$task.edit.$n"

say() {
  [ $as = command ] && echo "$1" && return
  printf '{"type":"assistant","message":{"id":"m1","content":[{"type":"text","text":"%s"}],"usage":{"input_tokens":100,"output_tokens":1}}}\n' "$1"
}
end() { # what it claims, and how it ends
  say "$1"
  [ $as = claude ] && printf '{"type":"result","subtype":"success","is_error":%s,"api_error_status":%s,"result":"%s","total_cost_usd":0.01,"usage":{"input_tokens":100,"output_tokens":10},"permission_denials":[]}\n' ${2:-false} ${3:-null} "$1"
  exit ${4:-0}
}
work() { echo "work of $task" > "$task.txt"; git add "$task.txt"; git commit -q -m "work on $task"; }

case $behaviour in
  good) work ;;
  uncommitted) echo "work of $task" > "$task.txt" ;;
  daemons) work; (setsid sleep 300 &); env -i setsid sh -c 'trap "" TERM HUP; sleep 300' > /dev/null 2>&1 & ;;
  locks) work; touch .git/index.lock .git/HEAD.lock ;;
  hooks) work; printf '#!/bin/sh\n[ -n "$RALPH_TASK_ID" ] || touch ../fired\n' > .git/hooks/reference-transaction; chmod +x .git/hooks/reference-transaction ;;

  ticks) sed -i 's/\[ \]/[x]/' PRD.md; git commit -qm "all done" PRD.md ;;
  lies) ;;
  nothing) [ $as = command ] && exit 0 ;;
  breaks) work; echo broken > state.txt ;;
  strays) work; mkdir -p src; echo x > src/x.py ;;
  guts) work; echo true > gate.sh ;;
  rewrites) git commit -q --amend -m "I was here first"; work ;;
  asks) end "Should I use tabs or spaces for $task? I wait for your answer." ;;
  half) echo half > "$task.txt"; echo oops; exit 1 ;;

  crashes) echo "oops $n"; exit 1 ;;
  killed) kill -9 $$ ;;
  hangs) sleep 300 ;;
  stubborn) trap '' TERM INT HUP; while :; do sleep 300; done ;;
  loops) while :; do say "I look at the file again"; sleep 0.02; done ;;
  prompts) printf 'Continue? [y/N] '; read -r answer < /dev/tty ;;
  kills) kill -9 $(sed 's/.*"pid": *\([0-9]*\).*/\1/' .git/ralph/lock); sleep 300 ;;
  cut) say "I begin"; exit 0 ;;
  limited) printf '{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":%s,"rateLimitType":"five_hour","isUsingOverage":false}}\n' $(($(date +%s) - 5))
    end "You have hit your session limit" true 429 1 ;;
  overloaded) end "API Error: 529 Overloaded" true 529 1 ;;
esac
end "I did $task"
