# Unpack the code into ROOT/code/NAME unless it is there; any number of these may run at once.
#   ROOT, "" for the account's state folder; NAME; UMASK; BYTES of the tar.gz on stdin, 0 to ask only
# Answers with one line: THERE FOLDER | MISSING | REFUSED WHY.
set -u
root=${1:-$HOME/.opencompass-ops} name=$2 bytes=$4
umask "$3"
folder=$root/code/$name
aside=$root/code/.$name.$(uname -n).$$

answer() { printf '%s\n' "$*"; exit 0; }
refuse() { rm -rf "$aside"; answer REFUSED "$(tr '\n' ' ' <<< "$1")"; }

[ ! -d "$folder" ] || answer THERE "$folder"
[ "$bytes" -gt 0 ] || answer MISSING
said=$(mkdir -p "$root/code" 2>&1 && mkdir "$aside" 2>&1) || refuse "$said"
said=$(head -c "$bytes" | tar -xzf - -C "$aside" 2>&1) || refuse "$said"
# A rename onto a folder that is not empty fails: whoever was first has won, with the same content.
said=$(mv -T "$aside" "$folder" 2>&1) || [ -d "$folder" ] || refuse "$said"
rm -rf "$aside"
answer THERE "$folder"
