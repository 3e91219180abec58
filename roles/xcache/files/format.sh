# Makes a file system on a disk that still is what the preflight judged. Ends with an error, and has written nothing,
# where it is not. Arguments: DEVICE, its number MAJOR:MINOR, xfs or ext4, then the signatures that were seen on it.
set -eu
device=$1 number=$2 filesystem=$3
shift 3
judged=$*
now=$(printf %d:%d "0x$(stat -L -c %t "$device")" "0x$(stat -L -c %T "$device")")
if [ "$now" != "$number" ]; then
    echo "$device is another disk by now: its number was $number, and is $now" >&2
    exit 1
fi
seen=$(wipefs --no-act --noheadings --output TYPE "$device")
seen=$(printf '%s\n' "$seen" | sort -u | xargs)
if [ "$seen" != "$judged" ]; then
    echo "$device holds \`$seen\` by now, where it held \`$judged\`: it was left alone" >&2
    exit 1
fi
# Both open the device for themselves alone, so they fail where it is in use.
if [ -n "$judged" ]; then wipefs --all --quiet "$device"; fi
case $filesystem in
xfs) exec mkfs.xfs -q "$device" ;;
ext4) exec mkfs.ext4 -q "$device" ;;
esac
echo "$filesystem: neither xfs nor ext4" >&2
exit 1
