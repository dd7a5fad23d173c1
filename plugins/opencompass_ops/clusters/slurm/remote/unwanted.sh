# Which of these jobs somebody asked to stop, though whoever asked could not see to it: one token per line, in and out.
#   STATE
state=${1:-$HOME/.opencompass-ops}
while read -r token; do
    job_dir=
    { read -r job_dir < "$state/jobs/$token"; } 2> /dev/null || continue
    if [ -e "$job_dir/slurm.cancelled" ] || grep -qs '"cancel":' "$job_dir/history.jsonl"; then
        printf '%s\n' "$token"
    fi
done
