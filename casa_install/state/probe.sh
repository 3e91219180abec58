# The functions of the probe; probe.py adds the calls. Read-only, for any POSIX shell with coreutils or busybox, so
# without long options and `--`, which busybox lacks in places. Standard input and errors are /dev/null.

LC_ALL=C; export LC_ALL
PATH="${PATH:+$PATH:}/usr/sbin:/usr/bin:/sbin:/bin"; export PATH
unset CDPATH IFS
set -u
hex() { od -An -v -tx1 | tr -d ' \n'; }
hexed() { printf '%s' "$1" | hex; }
keyed() { { printf '%s' "$KEY"; cat; } | sha256sum | cut -c1-64; }
# How content is told: of something sensitive no more than a digest that means nothing to others.
tell() { if [ -n "$SEAL" ]; then keyed; else hex; fi; }
sealed() {
  if [ -f "$2" ] && [ ! -L "$2" ]; then printf 'W %s %s\n' "$1" "$(keyed < "$2")"; else printf 'W %s -\n' "$1"; fi
}
real() {
  if r=$(cd -P "$2" 2>/dev/null && pwd -P && printf x); then
    if [ "$r" = "$2
x" ]; then printf 'R %s =\n' "$1"; else printf 'R %s x%s\n' "$1" "$(hexed "${r%?x}")"; fi
  else printf 'R %s -\n' "$1"; fi
}
list() {
  if [ ! -d "$2" ]; then printf 'n %s -\n' "$1"; return; fi
  c=0
  for e in "$2"/* "$2"/.*; do
    n=${e##*/}
    case $n in .|..) continue ;; esac
    [ -e "$e" ] || [ -L "$e" ] || continue
    c=$((c+1))
    if [ "$c" -gt "$MAX_ENTRIES" ]; then break; fi
    case $n in
      *[!A-Za-z0-9._@:+=,~-]*) printf 'N %s x%s\n' "$1" "$(hexed "$n")" ;;
      *) printf 'N %s =%s\n' "$1" "$n" ;;
    esac
  done
  printf 'n %s %s\n' "$1" "$c"
}
# awk compares two fields that look like numbers as numbers (1.0 == 1), hence the equals signs.
line() {
  if [ ! -f "$2" ]; then printf 'l %s -\n' "$1"; return; fi
  awk -v "m=$MAX_LINES" 'BEGIN { t = "=" ENVIRON["T"]; p = ENVIRON["P"] }
    { h = (p != "") ? (index($0, p) == 1) : (("=" $0) == t) }
    h && n < m { print; n++ }' < "$2" | while IFS= read -r x || [ -n "$x" ]; do
    printf 'L %s %s\n' "$1" "$(printf '%s' "$x" | tell)"
  done
  printf 'l %s .\n' "$1"
}
block() {
  if [ ! -f "$2" ]; then printf 'B %s -\n' "$1"; return; fi
  s=$(awk 'BEGIN { b = "=" ENVIRON["T"]; e = "=" ENVIRON["P"] }
    ("=" $0) == b { bs++; if (!bl) bl = NR } ("=" $0) == e { es++; if (!el) el = NR }
    END { print bs+0, es+0, (bl <= el) ? 1 : 0 }' < "$2")
  printf 'B %s %s %s\n' "$1" "$s" "x$(awk 'BEGIN { b = "=" ENVIRON["T"]; e = "=" ENVIRON["P"] }
    ("=" $0) == e { i = 0 } i { print } ("=" $0) == b { i = 1 }' < "$2" | tell)"
}
account() {
  if o=$(getent "$3" "$4"); then printf '%s %s x%s\n' "$1" "$2" "$(hexed "$o")"
  elif [ $? -eq 2 ]; then printf '%s %s -\n' "$1" "$2"
  else printf '%s %s !\n' "$1" "$2"; fi
}
local_account() {
  if T=$4 awk -F: 'BEGIN { t = "=" ENVIRON["T"] } ("=" $1) == t { f = 1 } END { exit !f }' < "/etc/$3"
  then printf '%s %s +\n' "$1" "$2"; else printf '%s %s -\n' "$1" "$2"; fi
}
vendor() {
  for f in "/usr/lib/systemd/system/$2" "/lib/systemd/system/$2"; do
    if [ ! -f "$f" ]; then continue; fi
    if [ -s /var/lib/dpkg/status ]; then
      w=$(grep -shE "^[0-9a-f]{32}  (usr/)?lib/systemd/system/$3\$" /var/lib/dpkg/info/*.md5sums)
      m=$(md5sum < "$f")
      case $w in
        '') break ;;
        "${m%% *} "*) printf 'V %s ok\n' "$1"; return ;;
        *) printf 'V %s edited\n' "$1"; return ;;
      esac
    elif command -v rpm > /dev/null; then
      w=$(rpm -qf --qf '[%{FILENAMES} %{FILEDIGESTS}\n]' "$f" | awk -v "f=$f" '$1 == f { print $2 }')
      m=$(sha256sum < "$f")
      case $w in
        "${m%% *}") printf 'V %s ok\n' "$1"; return ;;
        ????????????????????????????????????????????????????????????????)
          printf 'V %s edited\n' "$1"; return ;;
        *) break ;;
      esac
    fi
  done
  printf 'V %s unknown\n' "$1"
}
interrupted() {
  i=whole
  for f in /var/lib/dpkg/updates/[0-9]*; do if [ -e "$f" ]; then i=interrupted; fi; done
}
setting() {
  if [ -r "$2" ]; then printf 'Q %s x%s\n' "$1" "$(hex < "$2")"; else printf 'Q %s -\n' "$1"; fi
}
try() {
  i=$1; shift
  if command -v timeout > /dev/null; then o=$(timeout "$CHECK_SECONDS" "$@" 2>&1)
  else o=$("$@" 2>&1); fi
  s=$?
  if [ -n "$SEAL" ]; then o=; fi
  printf '%s %s x%s\n' "$i" "$s" "$(printf '%s' "$o" | head -c 300 | hex)"
}
