# Stop jobs, by id and by token: mark each, so that it is never started again, then signal what is alive.
#   STATE SIGNAL UMASK; SIGNAL is "" for scancel's own way, KILL to insist; on stdin one token per line
# Answers with one line per job that is still there: TOKEN ID.
set -u
state=${1:-$HOME/.opencompass-ops}
mkdir -p "$state" && exec 9> "$state/lock"
flock -w 45 9 || exit 75
queue=$(squeue --me -a -h -o '%A|%j') || exit 1
ids=()
while read -r token; do
    job_dir=
    { read -r job_dir < "$state/jobs/$token"; } 2> /dev/null
    (umask "$3"; [ -z "$job_dir" ] || [ -e "$job_dir/slurm.cancelled" ] || date +%s > "$job_dir/slurm.cancelled")
    rm -f "$state/secrets/$token"
    while IFS='|' read -r id name; do
        case $name in *."$token") ids+=("$id"); printf '%s %s\n' "$token" "$id" ;; esac
    done <<< "$queue"
done
[ ${#ids[@]} -gt 0 ] || exit 0
if [ -n "$2" ]; then
    scancel --quiet --full "--signal=$2" "${ids[@]}"
fi
scancel --quiet "${ids[@]}"
