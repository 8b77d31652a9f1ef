#!/usr/bin/env bash
# Install a floor without those above it and run its tests: an upward import has nowhere to hide.
set -euo pipefail
python=$1 work=$2
trap "rm -rf {.,transports,core,worker,beat}/build" EXIT  # or old modules get into the next wheel
test_tools=(pytest pytest-timeout pytest-xdist hypothesis)

floor() { # name, tests, distributions...
    local name=$1 tests=$2 env="$work/$1"
    shift 2
    rm -rf "$env"
    "$python" -m venv "$env"
    "$env/bin/python" -m pip install -q --disable-pip-version-check "${test_tools[@]}" "$@"
    echo "--- $name alone"
    "$env/bin/python" -m pytest -q -n 2 -m "not alone" "$tests"
}

floor transports tests/transports "./transports[msgpack,yaml,zstd,brotli]"
floor core tests/core "./transports[msgpack,yaml,zstd,brotli]" ./core
