"""Prints what is on the disks that the role may mount, as JSON. Reads only.

Arguments: DEVICE and PATH of each disk, in turn.
"""

import errno
import json
import os
import re
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
        "mounted": over[-1][1] if over else "",
        "content": not over and os.path.lexists(path) and (not os.path.isdir(path) or bool(os.listdir(path))),
    }
    try:
        status = os.stat(device)
    except OSError as fault:
        return dict(found, state=fault.strerror)
    if not stat.S_ISBLK(status.st_mode):
        return dict(found, state="no block device")
    number = "%d:%d" % (os.major(status.st_rdev), os.minor(status.st_rdev))
    found.update(number=number, ours=bool(over) and over[-1][0] == number, rotational=rotational(number))
    found["elsewhere"] = sorted({place for place, other, _ in mounted if other == number and place != path})
    try:
        return dict(found, signatures=signatures(device), busy=busy(device))
    except OSError as fault:
        return dict(found, state=fault.strerror)


def main():
    with open("/proc/self/mountinfo") as file:
        mounted = mounts(file.read())
    words = sys.argv[1:]
    print(json.dumps([look(*pair, mounted) for pair in zip(words[::2], words[1::2])]))


if __name__ == "__main__":
    main()
