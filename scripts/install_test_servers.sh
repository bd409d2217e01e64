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

# Grafana's own types and axe-core, by which dashboards and pages are checked.
node=.tools/node
if command -v npm > /dev/null && ! cmp -s tests/node/package.json "$node/package.json"; then
    echo "installing Grafana's types and axe-core into $node (once)"
    rm -rf "$node" && mkdir -p "$node" && cp tests/node/package.json "$node/"
    npm install --prefix "$node" --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel error > /dev/null
fi

for program in redis-server prometheus promtool; do
    command -v "$program" > /dev/null || missing="${missing:-} $program"
done
if [[ -n "${missing:-}" ]]; then
    echo "missing:$missing; next: apt-get install redis-server prometheus" >&2
    exit 1
fi
