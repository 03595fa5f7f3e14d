#!/usr/bin/env bash
#SBATCH --job-name=asal
#SBATCH --array=0-14
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --output=runs/slurm/%A_%a.out
#SBATCH --requeue
#SBATCH --signal=TERM@120
# An array over strategies and seeds: 3 strategies x 5 seeds, a task each. Submit it from the root of the repository:
#   first=$(sbatch --parsable --array=0 --export=ALL,STAGE=prepare experiments/batch/slurm_array.sh)
#   sbatch --dependency=afterok:"$first" experiments/batch/slurm_array.sh
# The first job makes GAN, features and index, which all share by the cache; the second does the cycles. A task that is
# requeued, by SLURM or after exit code 75, goes on where it was. With --nodes and --ntasks-per-node above 1 a task is one run over several processes:
# srun tells each which it is. What follows the script's name are flags of asal_jax.main.
set -euo pipefail
config=${CONFIG:-configs/mnist_two.py}
root=${ROOT:-runs/$(basename "${config%%.py*}")}
strategies=(random entropy asal_pixels)
seeds=5
task=${SLURM_ARRAY_TASK_ID:-0}
strategy=${strategies[task / seeds]}
seed=$((task % seeds))

# Exit code 75: SIGTERM came, two minutes before the time is up, and what was under way is saved.
asal() {
  local code=0
  srun "${PYTHON:-python3}" -m asal_jax.main --config="$config" --cache="$root/cache" "$@" || code=$?
  [ "$code" != 75 ] || scontrol requeue "$SLURM_JOB_ID"
  [ "$code" = 0 ] || exit "$code"
}

if [ "${STAGE:-}" = prepare ]; then
  # What is made once depends on no seed, and is made for all strategies.
  all=$(printf "'%s'," "${strategies[@]}")
  for stage in gan features; do
    asal --workdir="$root/prepare" --config.strategies="($all)" --stage="$stage" "$@"
  done
  exit
fi
asal --workdir="$root/$strategy-seed$seed" --config.strategies="('$strategy',)" --config.seeds="($seed,)" "$@"
