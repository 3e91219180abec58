"""Removes what k3s made on a host below its own directories, and leaves what is mounted there.

Reads one JSON object: remove (paths, in whose last part a shell's patterns count; a directory goes with all
that is in it), keep (paths in them that stay), empty (directories that go if nothing is in them, in this
order), links (names -> the program that they must lead to), check (only tell). Prints one: changed, done,
notes, faults. Python 3.9, standard library only.
"""

import glob
import json
import os
import re
import stat
import sys
from pathlib import Path


def mount_points():
    """Mount points of the host."""
    text = Path("/proc/self/mountinfo").read_text(errors="replace")
    points = (line.split()[4] for line in text.splitlines())
    return {re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), point) for point in points}


class Removal:
    """One removal; what it did and what it left."""

    def __init__(self, mounts, keep, check):
        self.mounts, self.keep, self.check = mounts, set(keep), check
        self.done, self.notes, self.faults = [], [], []

    def root(self, path):
        """Remove a path; a directory that is a mount point itself is emptied."""
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return
        if path not in self.mounts:
            self._remove(path, status)
            self.done.append("remove " + path)
            return
        names = [name for name in os.listdir(path) if name != "lost+found"]
        for name in names:
            self._child(os.path.join(path, name))
        if names:
            self.done.append(f"empty {path}, which is a file system of its own")

    def _child(self, path):
        return self._remove(path, os.lstat(path))

    def _remove(self, path, status):
        """Whether it has gone."""
        if path in self.keep and os.path.isdir(path) and os.listdir(path):
            self.notes.append(path + " is kept")
            return False
        if path in self.mounts:
            self.notes.append(f"{path} is a file system of its own and is left as it is")
            return False
        if self.check:
            if stat.S_ISDIR(status.st_mode) and any(inside(kept, path) for kept in self.keep | self.mounts):
                gone = [self._child(os.path.join(path, name)) for name in os.listdir(path)]
                return all(gone)
            return True
        try:
            if not stat.S_ISDIR(status.st_mode):
                os.unlink(path)
                return True
            gone = [self._child(os.path.join(path, name)) for name in os.listdir(path)]
            if all(gone):
                os.rmdir(path)
            return all(gone)
        except OSError as error:
            self.faults.append(f"{path}: {error.strerror}")
            return False

    def empty(self, path):
        """Remove a directory if nothing is in it."""
        try:
            if path in self.mounts or os.path.islink(path) or os.listdir(path):
                return
        except OSError:
            return
        if not self.check:
            os.rmdir(path)
        self.done.append(f"remove {path}, which is empty")

    def link(self, path, target):
        """Remove a link if it leads to k3s; another program of that name is the site's."""
        if (
            os.path.islink(path)
            and os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path))) == target
        ):
            if not self.check:
                os.unlink(path)
            self.done.append("remove " + path)


def inside(path, directory):
    """Whether a path is below a directory."""
    return path.startswith(directory + "/")


def main():
    """Read the order, do it, print the answer."""
    order = json.load(sys.stdin)
    removal = Removal(mount_points(), order["keep"], order["check"])
    for path, target in order["links"].items():
        removal.link(path, target)
    for pattern in order["remove"]:
        for path in sorted(glob.glob(pattern)) if "*" in pattern else [pattern]:
            removal.root(path)
    for path in order["empty"]:
        removal.empty(path)
    answer = {"done": removal.done, "notes": removal.notes, "faults": removal.faults}
    print(json.dumps({"changed": bool(removal.done), **answer}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
