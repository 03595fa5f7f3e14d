#!/usr/bin/env bash
# Two processes of one run on this machine, joined by jax.distributed: the digits, in minutes.
# Usage: experiments/batch/local.sh [WORKDIR [FLAG...]], FLAG as of asal_jax.main; PYTHON and PORT may be set.
set -euo pipefail
workdir=${1:-runs/local}
shift $(($# ? 1 : 0))
python=${PYTHON:-python3}
export JAX_COORDINATOR_ADDRESS="localhost:${PORT:-12345}" JAX_NUM_PROCESSES=2

# One that fails ends the other, so waiting in turn waits for both.
processes=()
trap 'kill "${processes[@]}" 2>/dev/null || true' INT TERM
for id in 0 1; do
  JAX_PROCESS_ID=$id "$python" -m asal_jax.main --config=configs/digits.py --workdir="$workdir" "$@" &
  processes+=($!)
done
status=0
for process in "${processes[@]}"; do
  wait "$process" || status=$?
done
exit "$status"
