#!/usr/bin/env bash
# One run on all hosts of a Cloud TPU pod slice. Usage: experiments/batch/tpu_pod.sh NAME ZONE BUCKET_FOLDER [FLAG...]
# BUCKET_FOLDER is a folder that all hosts see at the same path, for instance a Filestore or a mounted bucket; workdir and
# cache are there, and the repository at $BUCKET_FOLDER/asal_jax with `pip install -e '.[tpu]'` done on every host.
set -euo pipefail
if [ $# -lt 3 ]; then
  sed -n 's/^# //p' "$0" >&2
  exit 2
fi
name=$1 zone=$2 folder=$3
shift 3

# The same command on every host: --distributed has jax ask the pod who is who. A second start goes on where it was.
quoted=$(printf ' %q' --config=configs/cifar_ten.py --workdir="$folder/runs/cifar_ten" --distributed "$@")
exec gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all \
  --command="cd $(printf %q "$folder/asal_jax") && python3 -m asal_jax.main$quoted"
