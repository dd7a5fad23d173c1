# Submit one job unless it is known, or the group is full. Exactly once per token, whatever was lost on the way.
#   STATE TOKEN GROUP MAX JOB_DIR LOG NAME UMASK SETTLE TEST -- sbatch words; on stdin: bytes of the secrets, both, script
# Answers with one line: ACCEPTED ID | ADOPTED ID | FULL COUNT | REFUSED WHY | UNSURE WHY | SBATCH CODE STEP, and then
# what sbatch said.
set -u
token=$2 group=$3 max=$4 job_dir=$5 log=$6 name=$7 mask=$8 settle=$9 test=${10}
state=${1:-$HOME/.opencompass-ops}
shift 11

answer() { printf '%s\n' "$*"; exit 0; }
now() { printf '%(%s)T' -1; }
# For whoever shares the run directory; what lies in the state folder is nobody else's.
shared() {
    umask "$mask"
    "$@"
    local code=$?
    umask 077
    return $code
}
put() { printf '%s\n' "$2" > "$1.$$" && mv -f "$1.$$" "$1"; }
recall() { local line=; read -r line < "$1"; printf %s "$line"; } 2>/dev/null

umask 077
mkdir -p "$state/jobs" "$state/secrets" || answer UNSURE "the state folder $state cannot be made"
for folder in "$job_dir" "${log%/*}"; do
    shared mkdir -p "$folder" && [ -w "$folder" ] ||
        answer REFUSED "$(id -un) cannot write to $folder on $(uname -n); share it by mounts, umask and group"
done
exec 9> "$state/lock"
flock -w 45 9 || answer UNSURE "another submission holds $state/lock"

[ -e "$job_dir/slurm.cancelled" ] && answer ADOPTED "$(recall "$job_dir/slurm.job")"
[ -s "$job_dir/slurm.job" ] && answer ADOPTED "$(recall "$job_dir/slurm.job")"

# The queue as it was at most two seconds ago, with what was submitted since: admission may wait, the controller not suffer.
queue=$state/queue
look() {
    squeue --me -a -h -o '%A|%T|%k|%j' > "$queue.$$" 2> "$queue.err" || answer UNSURE "squeue: $(tr '\n' ' ' < "$queue.err")"
    mv -f "$queue.$$" "$queue"
    put "$queue.time" "$(now)"
    # A job removes its secrets when it starts; those of one that was cancelled before would stay.
    for secret in "$state"/secrets/*; do
        [ ! -e "$secret" ] || grep -q "\.${secret##*/}\$" "$queue" || rm -f "$secret"
    done
}
[ -e "$job_dir/slurm.intent" ] || [ ! -e "$queue.time" ] || [ $(($(now) - $(recall "$queue.time"))) -ge 2 ] && look
adopt() {
    [ -n "$1" ] || return 0
    shared put "$job_dir/slurm.job" "$1"
    answer ADOPTED "$1"
}
mine() { awk -F'|' -v t=".$token" 'substr($0, length($0) - length(t) + 1) == t { print $1 }' "$queue" | sort -n | head -n 1; }
# A live job of this token; then one that has claimed it; then, where an answer was lost, one that ended already.
[ -z "$(mine)" ] || look
adopt "$(mine)"
[ -e "$job_dir/claim/holder" ] && adopt "$(cat "$job_dir/claim/holder")"
if [ -e "$job_dir/slurm.intent" ]; then
    # A refused submission leaves a FAILED row that never had a node (seen on 22.05): that one is nobody's job.
    ended=$(squeue --me -a -h -t all -o '%A|%T|%N|%j' 2>&1) || answer UNSURE "squeue: $ended"
    since=$(recall "$job_dir/slurm.intent")
    past=$(sacct -X -n -P -S "$(date -d "@$since" +%Y-%m-%dT%H:%M:%S)" --name="$name" -o JobIDRaw,State,NodeList,JobName 2> /dev/null)
    adopt "$(printf '%s\n%s\n' "$ended" "$past" | awk -F'|' -v t=".$token" '
        substr($0, length($0) - length(t) + 1) == t && !($2 ~ /^FAILED/ && ($3 == "" || $3 ~ /None/)) { print $1 }' | sort -n | head -n 1)"
    # Not there now is not never: the controller may still hold the message. Absent twice, so far apart, it is.
    [ -e "$job_dir/slurm.missed" ] || shared put "$job_dir/slurm.missed" "$(now)"
    missed=$(recall "$job_dir/slurm.missed")
    [ $(($(now) - missed)) -ge "$settle" ] || answer UNSURE "an earlier answer was lost; looking again until $settle s have passed"
fi

alive=$(awk -F'|' -v g="opencompass-ops:$group" '$3 == g' "$queue" | wc -l)
[ "$alive" -lt "$max" ] || answer FULL "$alive"

# Slurm hands the submitter's variables to the job: only these, never the login's.
clean=(env -i)
for variable in PATH HOME USER LOGNAME LANG LC_ALL TZ SLURM_CONF; do
    [ -n "${!variable-}" ] && clean+=("$variable=${!variable}")
done
# sbatch hands its umask on to slurmd, which makes the log with it.
submit() { (umask "$mask" && exec "${clean[@]}" timeout -k 5 40 sbatch "$@" 9>&-); }
IFS= read -r secrets
rm -f "$state/secrets/$token"
[ "$secrets" -gt 0 ] && head -c "$secrets" > "$state/secrets/$token"
shared tee "$job_dir/slurm.sh" > /dev/null
if [ -n "$test" ]; then
    said=$(submit --test-only --job-name=opencompass-ops.test "$@" "$job_dir/slurm.sh" 2>&1)
    code=$?
    [ "$code" -eq 0 ] || { rm -f "$state/secrets/$token"; answer SBATCH "$code" test "$said"; }
fi
printf '%s\n%s\n%s\n' "$job_dir" "$log" "$(stat -c %s "$log" 2> /dev/null || echo 0)" > "$state/jobs/$token"
rm -f "$job_dir/slurm.missed"
shared put "$job_dir/slurm.intent" "$(now)"
sync -f "$job_dir/slurm.intent" 2> /dev/null
# Should the answer get lost, nobody counts by a queue that lacks this job.
looked=$(recall "$queue.time")
rm -f "$queue.time"
id=$(submit --parsable "--job-name=$name" "--comment=opencompass-ops:$group" "$@" "$job_dir/slurm.sh" 2> "$state/sbatch.err")
code=$?
id=${id%%;*}
if [ "$code" -ne 0 ] || [ -z "$id" ]; then
    answer SBATCH "$code" submit "$(head -c 2000 "$state/sbatch.err")"
fi
shared put "$job_dir/slurm.job" "$id"
printf '%s|PENDING|opencompass-ops:%s|%s\n' "$id" "$group" "$name" >> "$queue"
put "$queue.time" "$looked"
answer ACCEPTED "$id"
