# Runs the scripts that come on stdin, one after the other, until stdin ends. framing.py writes what
# this reads and reads what this writes; nothing may read stdin beyond the bytes that a frame names.
# Works with bash 4 and GNU coreutils; a process costs a millisecond, so there are few.

receive() { # BYTES FILE
  if [ "$1" = 0 ]; then : >"$2"; else head -c "$1" >"$2"; fi
}

send() { # BYTES FILE: no more than was named, though a process that the script left behind may write still
  [ "$1" = 0 ] || head -c "$1" -- "$2"
}

serve() { # NONCE
  local nonce=$1 word number script stdin code sizes
  umask 077
  # A script that has begun, a submission perhaps, is completed though nobody listens any more.
  trap '' HUP PIPE
  folder=$(mktemp -d -t opencompass-ops.XXXXXXXX) || exit
  trap 'rm -rf -- "$folder"' EXIT
  cd || cd /
  printf '%s ready\n' "$nonce"
  while IFS=' ' read -r word number script stdin; do
    [ "$word" = "$nonce:run" ] || exit
    receive "$script" "$folder/script" && receive "$stdin" "$folder/stdin" || exit
    # The connection may have ended inside the frame: half a script never runs.
    read -r word && [ "$word" = "$nonce:end" ] || exit
    "$BASH" --noprofile --norc -p "$folder/script" <"$folder/stdin" >"$folder/stdout" 2>"$folder/stderr"
    code=$?
    sizes=$(stat -c %s -- "$folder/stdout" "$folder/stderr")
    printf '%s answer %s %s %s %s\n' "$nonce" "$number" "$code" $sizes
    send "${sizes%$'\n'*}" "$folder/stdout"
    send "${sizes#*$'\n'}" "$folder/stderr"
    printf '%s end %s\n' "$nonce" "$number"
    # That process keeps its old files; the next script gets new ones.
    rm -f -- "$folder"/*
  done
}
