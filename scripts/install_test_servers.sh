#!/usr/bin/env bash
# Install what tests start: Debian's servers and browser (by apt, when root), the servers of
# requirements-testservers.txt (into .tools/testservers), Grafana's types and axe-core (into .tools/node).
# Does nothing for what is there.
set -euo pipefail
cd "$(dirname "$0")/.."

missing_packages() {
    command -v redis-server > /dev/null || echo redis-server
    { command -v prometheus > /dev/null && command -v promtool > /dev/null; } || echo prometheus
    command -v prometheus-alertmanager > /dev/null || echo prometheus-alertmanager
    command -v chromium > /dev/null || echo chromium fonts-dejavu-core
    command -v npm > /dev/null || echo npm
    command -v kubectl > /dev/null || echo kubernetes-client
    for each in jq curl buildah mmdebstrap; do command -v "$each" > /dev/null || echo "$each"; done
}

missing=$(missing_packages)
if [[ -n "$missing" && $(id -u) -eq 0 ]] && command -v apt-get > /dev/null; then
    echo "installing by apt:" $missing
    # Servers are started by tests, on ports of their own: none shall start by being installed.
    policy=/usr/sbin/policy-rc.d
    [[ -e $policy ]] || { printf '#!/bin/sh\nexit 101\n' > $policy && chmod +x $policy && trap "rm -f $policy" EXIT; }
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing > /dev/null
fi
missing=$(missing_packages)
if [[ -n "$missing" ]]; then
    echo "missing:" $missing "; next: as root, apt-get install" $missing >&2
    exit 1
fi

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

node=.tools/node
if ! cmp -s tests/node/package.json "$node/package.json"; then
    echo "installing Grafana's types and axe-core into $node (once)"
    rm -rf "$node" && mkdir -p "$node"
    npm install --prefix "$node" --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel error \
        --no-save $(python3 -c 'import json; print(*(f"{k}@{v}" for k, v in json.load(open("tests/node/package.json"))["dependencies"].items()))') > /dev/null
    cp tests/node/package.json "$node/"
fi
