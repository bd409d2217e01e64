#!/usr/bin/env bash
# Install the servers that tests start (requirements-testservers.txt) into .tools/testservers; does nothing when
# they are there. Debian's redis-server, prometheus and alertmanager are checked for, not installed.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.tools/testservers
wanted=$(sha256sum requirements-testservers.txt | cut -d' ' -f1)
if [[ "$(cat "$venv/.installed" 2>/dev/null)" != "$wanted" ]]; then
    python=${PYTHON:-python3}
    echo "installing test servers into $venv (once)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r requirements-testservers.txt
    echo "$wanted" > "$venv/.installed"
fi

# Grafana's own types, by which the generated dashboards are checked.
types=.tools/grafana-types
if command -v npm > /dev/null && ! cmp -s tests/grafana/package.json "$types/package.json"; then
    echo "installing Grafana's types into $types (once)"
    rm -rf "$types" && mkdir -p "$types" && cp tests/grafana/package.json "$types/"
    npm install --prefix "$types" --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel error > /dev/null
fi

for program in redis-server prometheus promtool; do
    command -v "$program" > /dev/null || missing="${missing:-} $program"
done
if [[ -n "${missing:-}" ]]; then
    echo "missing:$missing; next: apt-get install redis-server prometheus" >&2
    exit 1
fi
