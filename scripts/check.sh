#!/usr/bin/env bash
# Every check of the project, quickest first; stops at the first that fails. `make test` and CI run this.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=$PWD/.venv/bin
logs=.data/logs
mkdir -p $logs
started=$SECONDS

# A step shows its name, its seconds and, where it speaks only when something is wrong, its words only then.
step() {
    local title=$1 since=$SECONDS
    shift
    printf '\n== %s\n' "$title"
    "$@"
    printf '== %s: done in %s s\n' "$title" $((SECONDS - since))
}
quiet() {
    local log=$logs/$1.log
    shift
    "$@" >"$log" 2>&1 || failed "$log" "$*"
}
failed() {
    cat "$1"
    printf '!! failed: %s\n' "$2"
    exit 1
}
validated() {
    wait $validating || failed $logs/validate.log 'rasa data validate'
}

# Rasa's own check takes as long as all that need no model together, and one core: it runs beside them.
"$bin/rasa" data validate >$logs/validate.log 2>&1 &
validating=$!
trap 'kill $validating 2>/dev/null || true' EXIT

step 'Lint (ruff)' "$bin/ruff" check .
step 'Types (mypy)' "$bin/mypy"
step 'PostgREST (npm)' scripts/npm.sh
step 'Dovecot (Debian packages)' scripts/dovecot.sh
step 'Domain, data and rules (rasa data validate)' validated
step 'Model (rasa train, if its inputs changed)' "$bin/omnicrm" train
step 'Stories (rasa test)' quiet rasa-test "$bin/rasa" test core --e2e --stories tests --no-plot --fail-on-prediction-errors --out .data/rasa-test
step 'Unit, contract, integration and end-to-end tests (pytest)' "$bin/pytest" -n logical --dist loadgroup
printf '\nAll checks passed in %s min %s s.\n' $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60))
