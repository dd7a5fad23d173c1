# One look at everything: the account's queue, and what the asked jobs left in their folders.
#   STATE, the words of squeue; on stdin one line per job: TOKEN OFFSET, the log's byte to go on from, -1 for where the job's part of it
#   begins, or - for no log
# Answers with records: a line "KIND TOKEN NUMBER BYTES", so many bytes, a newline.
set -u
state=${1:-$HOME/.opencompass-ops}
most=65536
LC_ALL=C

record() { printf '%s %s %s %s\n%s\n' "$1" "$2" "$3" "${#4}" "$4"; }
file() { local text=; [ -e "$3" ] && { IFS= read -r -d '' text < "$3" 2> /dev/null; record "$1" "$2" 0 "$text"; }; }

shift
queue=$("$@" 2>&1)
record queue - $? "$queue"
declare -A log offset size
logs=()
while read -r token wanted; do
    job_dir= path= start=0
    { read -r job_dir; read -r path; read -r start; } 2> /dev/null < "$state/jobs/$token" || continue
    record known "$token" 0 "$job_dir"
    file job "$token" "$job_dir/slurm.job"
    file holder "$token" "$job_dir/claim/holder"
    file end "$token" "$job_dir/slurm.end"
    file cancelled "$token" "$job_dir/slurm.cancelled"
    file beat "$token" "$job_dir/heartbeat.json"
    [ "$wanted" != - ] || continue
    log[$token]=$path
    offset[$token]=$wanted
    [ "$wanted" -ge 0 ] || offset[$token]=$start
    logs+=("$path")
done
[ ${#logs[@]} -gt 0 ] || exit 0
while read -r bytes path; do size[$path]=$bytes; done < <(stat -c '%s %n' -- "${logs[@]}" 2> /dev/null)
for token in "${!log[@]}"; do
    path=${log[$token]} from=${offset[$token]}
    bytes=${size[$path]-0}
    [ "$bytes" -ge "$from" ] || from=0
    [ $((bytes - from)) -le $most ] || from=$((bytes - most))
    [ "$bytes" -gt "$from" ] || continue
    record log "$token" "$bytes" "$(tail -c "+$((from + 1))" -- "$path" | head -c $((bytes - from)) | base64 -w 0)"
done
