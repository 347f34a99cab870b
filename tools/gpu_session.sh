#!/bin/sh
# One prepared session on a large GPU, under 12 minutes: what only such a machine can tell.
#     OUT=FOLDER tools/gpu_session.sh             # on the GPU
#     OUT=FOLDER tools/gpu_session.sh --dry-run   # tiny shapes on a CPU: do the commands work?
# Each part leaves OUT/NAME.log; OUT/summary.txt has a line a part. PYTHON names the interpreter.
set -u
cd "$(dirname "$0")/.." || exit 1
out=${OUT:-runs/gpu_session}
python=${PYTHON:-python}
mkdir -p "$out"
: > "$out/summary.txt"
failed=0

part() { # name, seconds, command ...
    name=$1 limit=$2
    shift 2
    began=$(date +%s)
    timeout "$limit" "$@" > "$out/$name.log" 2>&1
    code=$?
    echo "$name: exit $code, $(($(date +%s) - began)) s" | tee -a "$out/summary.txt"
    # a training that ends by its time limit has measured what it should
    [ "$code" -eq 0 ] || failed=1
}

if [ "${1:-}" = "--dry-run" ]; then
    part true-shape 300 "$python" -m training.benchmarks.true_shape --tiny
    part training 300 "$python" training/train.py --preset smoke --run-dir "$out/training" \
        steps=1 rollout.group_size=2 tensorboard=false
    part world 300 "$python" -m training.world train generator --help
else
    part true-shape 240 "$python" -m training.benchmarks.true_shape
    part training 240 "$python" training/train.py --preset tiny-long --run-dir "$out/training" \
        minutes=2 watch.table_prompts=0
    part world 200 "$python" -m training.world train generator --run "$out/world" --minutes 1
fi
exit "$failed"
