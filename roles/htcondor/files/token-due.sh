# Ends with 0 while a host's join token is good, else with 1 and the reason. Reads what the token says of itself, never
# its signature. Arguments: file, name of the signing key, issuer, subject, lifetime in seconds, each authority.
file=$1 key=$2 issuer=$3 subject=$4 lifetime=$5
shift 5

due() { echo "$1"; exit 1; }

# One part of the token as text; a JWT has no padding, which base64 wants.
part() {
    text=$(cut -d . -f "$1" "$file" | tr -- -_ +/)
    while [ $((${#text} % 4)) -ne 0 ]; do text="$text="; done
    printf %s "$text" | base64 -d 2>/dev/null | sed 's:\\/:/:g'
}
field() { printf %s "$2" | sed -n 's/.*"'"$1"'" *: *"\([^"]*\)".*/\1/p'; }
number() { printf %s "$2" | sed -n 's/.*"'"$1"'" *: *\([0-9]\{1,\}\).*/\1/p'; }

[ -s "$file" ] || due 'there is no token'
header=$(part 1) payload=$(part 2)
[ "$(field kid "$header")" = "$key" ] || due 'it is signed with another key'
[ "$(field iss "$payload")" = "$issuer" ] || due 'it is of another pool'
[ "$(field sub "$payload")" = "$subject" ] || due 'it names another host'

wanted=$(for authority; do echo "condor:/$authority"; done | sort)
found=$(field scope "$payload" | tr ' ' '\n' | sort)
[ "$found" = "$wanted" ] || due 'it has other authority'

issued=$(number iat "$payload") ends=$(number exp "$payload")
[ -n "$issued" ] && [ -n "$ends" ] || due 'it never ends'
[ $((ends - issued)) -le "$lifetime" ] || due 'it lives longer than wanted'
[ $((3 * (ends - $(date +%s)))) -ge $((ends - issued)) ] || due 'less than a third of its life is left'
