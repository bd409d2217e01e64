#!/usr/bin/env bash
# Install what the serving benchmark compares with: MLServer in a venv of its own (.tools/peers), wrk from Debian (when root).
# Does nothing for what is there.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v wrk > /dev/null; then
    [[ $(id -u) -eq 0 ]] || { echo "missing: wrk; next: as root, apt-get install wrk" >&2; exit 1; }
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends wrk > /dev/null
fi
peers=.tools/peers
if [[ ! -x $peers/bin/mlserver ]]; then
    echo "installing MLServer into $peers (once)"
    uv=.venv/.bootstrap/bin/uv
    $uv venv -q -p "${PYTHON:-python3}" "$peers"
    $uv pip install -q --python "$peers/bin/python" mlserver==1.7.1 mlserver-sklearn==1.7.1
fi
