#!/bin/sh
# One prepared session on a large GPU, under 12 minutes: what only such a machine can tell.
#     OUT=FOLDER tools/gpu_session.sh             # on the GPU
#     OUT=FOLDER tools/gpu_session.sh --dry-run   # the same commands at tiny shapes, on a CPU
# Each part leaves OUT/NAME.log; OUT/summary.txt has a line a part. PYTHON names the interpreter,
# COMFYUI_PATH a ComfyUI (default: the one that start.py made); without one its parts are left out.
set -u
cd "$(dirname "$0")/.." || exit 1
out=${OUT:-runs/gpu_session}
python=${PYTHON:-python}
tree=${COMFYUI_PATH:-.comfyui/src}
mkdir -p "$out"
: > "$out/summary.txt"
failed=0

part() { # name, seconds, command ...
    name=$1 limit=$2
    shift 2
    began=$(date +%s)
    timeout "$((limit * patience))" "$@" > "$out/$name.log" 2>&1
    code=$?
    echo "$name: exit $code, $(($(date +%s) - began)) s" | tee -a "$out/summary.txt"
    # a training that ends by its time limit has measured what it should
    [ "$code" -eq 0 ] || failed=1
}

patience=1 cards='20 80' tiny='' rounds=4 training='minutes=1.5' world='--minutes 0.75 --pictures 4000'
if [ "${1:-}" = "--dry-run" ]; then
    patience=5 cards=20 tiny='--tiny' rounds=2 world='--steps 1 --size 32 --pictures 32'
    training='steps=1 data.prompts_per_step=1 tensorboard=false watch.every=0'
fi

# shellcheck disable=SC2086  # the settings are several words
{
    part true-shape 240 "$python" -m training.benchmarks.true_shape $tiny
    if [ -f "$tree/main.py" ]; then
        for card in $cards; do # GB: the reader alone, or both at once
            part "alternating-$card" 75 "$python" -m tools.benchmarks.alternating $tiny \
                --card "$card" --rounds "$rounds" "$tree"
        done
    else
        echo "alternating: left out, no ComfyUI at $tree" | tee -a "$out/summary.txt"
    fi
    part training 150 "$python" training/train.py --preset tiny-long --run-dir "$out/training" \
        watch.table_prompts=0 $training
    part world 150 "$python" -m training.world train generator --run "$out/world" $world
}
exit "$failed"
