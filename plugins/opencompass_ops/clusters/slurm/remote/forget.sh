# The submission was refused, so it never was: without an intent the next one starts afresh.
#   STATE TOKEN JOB_DIR
state=${1:-$HOME/.opencompass-ops}
mkdir -p "$state" && exec 9> "$state/lock"
flock -w 45 9 || exit 75
[ -s "$3/slurm.job" ] || rm -f "$3/slurm.intent" "$3/slurm.missed" "$state/secrets/$2" "$state/jobs/$2"
