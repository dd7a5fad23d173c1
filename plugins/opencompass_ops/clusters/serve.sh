# Runs the scripts that come on stdin, one after the other, until stdin ends. framing.py writes what
# this reads and reads what this writes; nothing may read stdin beyond the bytes that a frame names.
# Works with bash 4 and GNU coreutils.

receive() { # BYTES FILE
  if [ "$1" = 0 ]; then : >"$2"; else head -c "$1" >"$2"; fi
}

sizes() { # FILE FILE
  printf '%s %s' $(stat -c %s -- "$1" "$2")
}

serve() { # NONCE
  local nonce=$1 word number script stdin code size
  umask 077
  # A script that has begun, a submission perhaps, is completed though nobody listens any more.
  trap '' HUP PIPE
  folder=$(mktemp -d -t opencompass-ops.XXXXXXXX) || exit
  trap 'rm -rf -- "$folder"' EXIT
  cd || cd /
  printf '%s ready\n' "$nonce"
  while IFS=' ' read -r word number script stdin; do
    [ "$word" = "$nonce:run" ] || exit
    receive "$script" "$folder/script" && receive "$stdin" "$folder/stdin"
    # The connection may have ended inside the frame, or the disk is full: half a script never runs.
    [ "$(sizes "$folder/script" "$folder/stdin")" = "$script $stdin" ] || exit
    "$BASH" --noprofile --norc -p "$folder/script" <"$folder/stdin" >"$folder/stdout" 2>"$folder/stderr"
    code=$?
    size=$(sizes "$folder/stdout" "$folder/stderr")
    printf '%s answer %s %s %s\n' "$nonce" "$number" "$code" "$size"
    # A process that the script left behind may still write: exactly as many bytes as were named.
    head -c "${size% *}" -- "$folder/stdout"
    head -c "${size#* }" -- "$folder/stderr"
    printf '%s end %s\n' "$nonce" "$number"
    # It keeps its old files; the next script gets new ones.
    rm -f -- "$folder"/*
  done
}
