#!/usr/bin/env bash
# Build every distribution, check that each wheel holds every module of its folder, install the wheels into
# an empty virtualenv and run one task through a real worker.
set -euo pipefail
python=$1 work=$2
trap "rm -rf {.,transports,core,worker,beat}/build" EXIT  # or old modules get into the next wheel
wheels="$work/wheels" env="$work/env"
rm -rf "$wheels" "$env"
for part in transports core worker beat .; do
    "$python" -m build -q --wheel --outdir "$wheels" "$part"
done
"$python" tests/layers/check_wheels.py "$wheels"
"$python" -m venv "$env"
"$env/bin/python" -m pip install -q --disable-pip-version-check --find-links "$wheels" cicely==0.1.0
one_task=$PWD/tests/layers/one_task.py
(cd "$work" && "$env/bin/python" "$one_task")
