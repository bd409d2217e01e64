#!/usr/bin/env bash
# The guide's initial training: validate the services, train and promote the five models, count them in Production.
# Exit codes: 0 all in Production, 2 bad usage, 3 not enough data, 4 a store or registry unreachable,
# 5 judged but not all in Production, 1 anything else.
set -uo pipefail

usage() {
    cat <<'USAGE'
usage: ./train_initial_models.sh [--dry-run] [--skip-validation]

  --dry-run           validate the services and print the training commands, train nothing
  --skip-validation   do not ask the services first
  -h, --help          this text

Training options in HIVE_TRAIN_OPTIONS are added to each command, e.g. HIVE_TRAIN_OPTIONS="--as-of newest".
USAGE
}

dry_run=false validate=true
for argument in "$@"; do
    case "$argument" in
        --dry-run) dry_run=true ;;
        --skip-validation) validate=false ;;
        -h | --help) usage; exit 0 ;;
        *) echo "error: unknown option $argument" >&2; usage >&2; exit 2 ;;
    esac
done

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="$here/../../.venv/bin/python"
[ -x "$python" ] || python="$(command -v python3)"
hive() { "$python" -m neural_hive_ml "$@"; }

if $validate; then
    echo "== 1/5 Validating the services"
    hive doctor --for training
    status=$?
    if [ $status -ne 0 ]; then
        echo "error: validation failed, see above (next: mend it, or --skip-validation)" >&2
        exit $status
    fi
fi

read -r -a extra <<<"${HIVE_TRAIN_OPTIONS:-}"
worst=0
train() {
    local title="$1"
    shift
    echo "== $title: train_predictive_models.py $* ${extra[*]:-}"
    $dry_run && return 0
    "$python" "$here/train_predictive_models.py" "$@" ${extra[@]+"${extra[@]}"}
    local status=$?
    # The gravest answer wins: unreachable (4), failure (1), not enough data (3).
    case "$worst,$status" in
        4,* | *,0) ;;
        *,4 | 0,* | 3,1) worst=$status ;;
    esac
    return 0
}

train "2/5 Anomaly detector" --model-type anomaly --model-algorithm isolation_forest --promote-if-better \
    --min-samples 1000 --training-window-days 180
train "3/5 Load predictors" --model-type load --promote-if-better --training-window-days 540
train "4/5 Scheduling predictor" --model-type scheduling --model-algorithm xgboost --promote-if-better \
    --min-samples 1000 --training-window-days 540

if $dry_run; then
    echo "dry run: nothing was trained"
    exit 0
fi

echo "== 5/5 Verifying the registry"
hive models production
status=$?
[ $worst -ne 0 ] && exit $worst
exit $status
