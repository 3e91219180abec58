"""The disks that the role mounts.

`look` DEVICE PATH ... prints what is on each and where it is mounted, as JSON. It reads only.

`format` DEVICE NUMBER FILESYSTEM [SIGNATURE ...] makes a file system on a disk that still is what the preflight
judged: the device of that number, with just those signatures, in nobody's use. Any other is left alone.
"""

import errno
import json
import os
import re
import shutil
import stat
import subprocess
import sys


def mounts(text):
    """Mount points of a mountinfo, proc(5): path, number of the device, type; what was mounted last comes last."""
    found = []
    for line in text.splitlines():
        own, _, rest = line.partition(" - ")
        words = own.split(" ")
        path = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), words[4])
        found.append((path, words[2], rest.split(" ")[0]))
    return found


def signatures(device):
    """Kinds of all that says of itself that it is on the device; None where that cannot be told.

    Two programs must agree that there is nothing: it is what formatting hangs on.
    """
    listed = subprocess.run(
        ["wipefs", "--no-act", "--noheadings", "--output", "TYPE", device], stdout=subprocess.PIPE, check=False
    )
    probed = subprocess.run(
        ["blkid", "--probe", "--output", "export", device], stdout=subprocess.PIPE, check=False
    )
    kinds = sorted(set(listed.stdout.decode().split()))
    # 2: nothing is there, 8: more than one thing is.
    if listed.returncode != 0 or probed.returncode not in (0, 2, 8):
        return None
    if (probed.returncode == 2) != (not kinds):
        return None
    return kinds


def busy(device):
    """Whether the kernel has given the device to somebody: a mount, LVM, RAID, swap, one of its partitions."""
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
    except OSError as fault:
        if fault.errno == errno.EBUSY:
            return True
        raise
    return False


def device_number(status):
    """Its number as mountinfo writes it."""
    return "%d:%d" % (os.major(status.st_rdev), os.minor(status.st_rdev))


def rotational(number):
    """Whether it turns, as the kernel says. A partition has no queue of its own; its disk has."""
    directory = os.path.realpath("/sys/dev/block/" + number)
    for parent in (directory, os.path.dirname(directory)):
        try:
            with open(parent + "/queue/rotational") as file:
                return file.read().strip() == "1"
        except OSError:
            continue
    return False


def look(device, path, mounted):
    """One disk as it is."""
    over = [(number, kind) for place, number, kind in mounted if place == path]
    found = {
        "device": device,
        "path": path,
        "state": "block",
        # Of a package that dpkg holds for essential, so that no role could take it away again.
        "ext4_tools": shutil.which("mkfs.ext4") is not None,
        "mounted": over[-1][1] if over else "",
        "content": not over and os.path.lexists(path) and (not os.path.isdir(path) or bool(os.listdir(path))),
    }
    try:
        status = os.stat(device)
    except OSError as fault:
        return dict(found, state=fault.strerror)
    if not stat.S_ISBLK(status.st_mode):
        return dict(found, state="no block device")
    number = device_number(status)
    found.update(number=number, ours=bool(over) and over[-1][0] == number, rotational=rotational(number))
    found["elsewhere"] = sorted({place for place, other, _ in mounted if other == number and place != path})
    try:
        return dict(found, signatures=signatures(device), busy=busy(device))
    except OSError as fault:
        return dict(found, state=fault.strerror)


def make(device, number, filesystem, judged):
    """Format one disk; ends the program with an error, and has written nothing, where it is not what was judged."""
    command = {"xfs": ["mkfs.xfs", "-q", device], "ext4": ["mkfs.ext4", "-q", device]}[filesystem]
    try:
        # Held: nobody else gets it meanwhile. It fails where somebody has it.
        held = os.open(device, os.O_RDWR | os.O_EXCL)
    except OSError as fault:
        sys.exit("%s was left alone: %s" % (device, fault.strerror))
    status = os.fstat(held)
    if not stat.S_ISBLK(status.st_mode) or device_number(status) != number:
        sys.exit("%s was left alone: it is another disk than the one that was looked at" % device)
    seen = signatures(device)
    if seen != judged:
        sys.exit("%s was left alone: it held %s when it was looked at, and %s now" % (device, judged, seen))
    if seen:
        # Without --force it keeps a table of partitions on what it takes for a partition; our hold guards the rest.
        subprocess.run(["wipefs", "--all", "--force", "--quiet", device], check=True)
        if signatures(device) != []:
            sys.exit("%s: wipefs did not clear it" % device)
    os.close(held)
    if seen:
        # Partitions that are gone; a disk that had none refuses.
        subprocess.run(["blockdev", "--rereadpt", device], stderr=subprocess.DEVNULL, check=False)
    # Both take the disk for themselves alone again.
    sys.exit(subprocess.run(command, check=False).returncode)


def main():
    with open("/proc/self/mountinfo") as file:
        mounted = mounts(file.read())
    verb, *words = sys.argv[1:]
    if verb == "format":
        make(*words[:3], words[3:])
    print(json.dumps([look(*pair, mounted) for pair in zip(words[::2], words[1::2])]))


if __name__ == "__main__":
    main()
