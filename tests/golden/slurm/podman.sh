#!/bin/bash
# A job of opencompass-ops: what was asked for, then the same steps for every job.
umask 007
oc_token=oc-1a2b3c-4d5e6f78-infer-0000-3fa9c1-e1
oc_run_dir=/work/20240101_000000
oc_job_dir=/work/20240101_000000/jobs/oc-1a2b3c-4d5e6f78-infer-0000-3fa9c1-e1
oc_state=''

oc_state=${oc_state:-$HOME/.opencompass-ops}
oc_secrets=$oc_state/secrets/$oc_token
oc_restart=${SLURM_RESTART_COUNT:-0}
oc_node=${SLURMD_NODENAME:-$(hostname)}
oc_child= oc_stopping= oc_signalled=
oc_why='the job script was stopped'
exec 3>&1  # the log, whatever setup does with its output

oc_say() { printf '=== %s %s ===\n' "$oc_token" "$*" >&3; }

oc_holder() { cat "$oc_job_dir/claim/holder" 2> /dev/null; }

# Last of all: how it ended. Not by a job that another one's claim keeps from working.
oc_end() {
    local code=$? holder
    set +eux
    trap '' TERM
    rm -f "$oc_secrets"
    [ -z "${oc_container-}" ] || podman rm --force -t 0 "$oc_container" > /dev/null 2>&1
    holder=$(oc_holder)
    [ "$code" -ne 75 ] && [ "${holder:-$SLURM_JOB_ID}" = "$SLURM_JOB_ID" ] || exit "$code"
    [ -z "$oc_why" ] || { oc_say "$oc_why"; [ "$code" -ne 0 ] || code=1; }
    printf '{"job_id": "%s", "restart": %d, "returncode": %d, "why": "%s", "node": "%s"}\n' \
        "$SLURM_JOB_ID" "$oc_restart" "$code" "$oc_why" "$oc_node" > "$oc_job_dir/.slurm.end.$SLURM_JOB_ID" &&
        mv -f "$oc_job_dir/.slurm.end.$SLURM_JOB_ID" "$oc_job_dir/slurm.end"
    exit "$code"
}
trap oc_end EXIT

oc_stop() {
    { podman stop -t 60 "$oc_container" || kill -TERM "$oc_child"; } > /dev/null 2>&1 &
}
oc_term() {
    oc_signalled=yes oc_stopping=yes
    oc_say 'SIGTERM, passed on'
    [ -z "$oc_child" ] || oc_stop
}
trap oc_term TERM

TZ=UTC0 printf '=== %s on %s, %(%FT%TZ)T, job %s, GPUs: %s ===\n' \
    "$oc_token" "$oc_node" -1 "$SLURM_JOB_ID" "${CUDA_VISIBLE_DEVICES:-none}"
oc_why='cancelled before it started'
[ ! -e "$oc_job_dir/slurm.cancelled" ] || exit 143
oc_first=$(oc_holder)
if [ "${oc_first:-$SLURM_JOB_ID}" != "$SLURM_JOB_ID" ]; then
    oc_say "job $oc_first holds the token, this one leaves"
    exit 75
fi

export NCCL_SOCKET_IFNAME=ib0
export HF_HUB_OFFLINE=1
export TRANSFORMERS_OFFLINE=1
export HF_DATASETS_OFFLINE=1
export HF_EVALUATE_OFFLINE=1
export HF_HOME=/models/hf
export PYTHONUNBUFFERED=1
export OPENCOMPASS_OPS_TOKEN=oc-1a2b3c-4d5e6f78-infer-0000-3fa9c1-e1
export OPENCOMPASS_OPS_JOB_ID=$SLURM_JOB_ID OPENCOMPASS_OPS_RESTART=$oc_restart

export PYTHONPATH=/work/.opencompass-ops/code/0123456789abcdef

oc_why='the secrets are not there; they are handed out once, with the submission'
while IFS= read -r -d '' oc_pair; do export "$oc_pair"; done < "$oc_secrets" || exit 1
unset oc_pair
rm -f "$oc_secrets"

oc_user=()
if [ "$(id -u)" -ne 0 ]; then
    oc_why='podman has no folder of its own on this node; remove /tmp/opencompass-ops.UID of somebody else'
    oc_user=(--userns=keep-id)
    export XDG_RUNTIME_DIR=/tmp/opencompass-ops.$(id -u)
    mkdir -m 700 "$XDG_RUNTIME_DIR" 2> /dev/null
    [ -O "$XDG_RUNTIME_DIR" ] && [ ! -L "$XDG_RUNTIME_DIR" ] || exit 1
fi

oc_why="the image could not be imported; see jobs/$oc_token/image.log"
if ! podman image inspect localhost/inference:1 > /dev/null 2>&1; then
    mkdir -p "$oc_state/images" && exec 8> "$oc_state/images/localhost-inference-1-afe80555b8f3.$oc_node.lock" || exit 1
    flock 8
    if ! podman image inspect localhost/inference:1 > /dev/null 2>&1; then
        oc_say 'importing the image'
        podman load --input /images/i.tar > "$oc_job_dir/image.log" 2>&1 || exit 1
    fi
    exec 8>&-
fi
# A job that was killed outright could not remove its container.
for oc_left in $(podman ps --all --filter=label=opencompass-ops --format '{{.Names}}'); do
    oc_there=$(squeue --noheader --jobs="${oc_left##*.}" --format=%T 2>&1)
    case $oc_there in '' | *'Invalid job id'*) podman rm --force -t 0 "$oc_left" ;; esac
done > /dev/null 2>&1
oc_container=$oc_token.$SLURM_JOB_ID

oc_devices=()
for oc_gpu in ${SLURM_JOB_GPUS//,/ }; do oc_devices+=("--device=nvidia.com/gpu=$oc_gpu"); done

oc_why='the run directory cannot be entered'
cd "$oc_run_dir" || exit 1
oc_why='stopped before the work began'
[ -z "$oc_stopping" ] || exit 143
oc_why=
coproc oc_run { exec podman \
    run \
    --rm \
    --interactive \
    --network=host \
    --shm-size=8g \
    --security-opt=label=disable \
    --label=opencompass-ops \
    --stop-signal=SIGTERM \
    --workdir=/work/20240101_000000 \
    --env=HOME=/tmp \
    --env=OPENCOMPASS_OPS_GUARD=1 \
    --volume=/data:/data:ro \
    --volume=/models:/models:ro \
    --volume=/work:/work \
    --volume=/work/.opencompass-ops/code/0123456789abcdef:/work/.opencompass-ops/code/0123456789abcdef:ro \
    --env=NCCL_SOCKET_IFNAME \
    --env=HF_HUB_OFFLINE \
    --env=TRANSFORMERS_OFFLINE \
    --env=HF_DATASETS_OFFLINE \
    --env=HF_EVALUATE_OFFLINE \
    --env=HF_HOME \
    --env=PYTHONUNBUFFERED \
    --env=OPENCOMPASS_OPS_TOKEN \
    --env=OPENCOMPASS_OPS_JOB_ID \
    --env=OPENCOMPASS_OPS_RESTART \
    --env=OPENCOMPASS_OPS_LAUNCHER \
    --env=SLURM_JOB_ID \
    --env=PYTHONPATH \
    --env=HF_TOKEN \
    --entrypoint=python3 \
    --name="$oc_container" \
    "${oc_user[@]}" \
    "${oc_devices[@]}" \
    localhost/inference:1 -m inference infer /work/20240101_000000/shards/infer-0000-3fa9c1.json >&3 3>&-; }
oc_child=$oc_run_PID
[ -z "$oc_stopping" ] || oc_stop
while :; do
    oc_signalled=
    wait "$oc_child"
    oc_code=$?
    [ -n "$oc_signalled" ] || exit "$oc_code"  # else it was the signal that ended wait, not the work
done
