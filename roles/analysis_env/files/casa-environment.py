#!/usr/bin/python3
"""Keeps versions of a Python environment side by side in one directory, and a link to the current one.

casa-environment VERB --directory DIRECTORY ... (see --help)

DIRECTORY/VERSION is a virtual environment, DIRECTORY/current a link to one. A version is there only when its
file `.complete` is, which is written last. A virtual environment knows its own path, so each is built where
it stays; an archive of it is good for the same path, operating system, architecture and Python release.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

MARKER = ".complete"
LINK = "current"
LOCK = ".lock"
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
# What this program makes and has not finished, and what it is about to remove.
PASSING = (".unpack-", ".remove-", ".link-")
BUILDING = ".building-"
STORES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
BLOCK = 1 << 20


class FaultError(Exception):
    """What a person has to know."""


def versions(directory):
    """Names of the versions that are complete, the oldest first."""
    markers = [path for path in directory.glob(f"*/{MARKER}") if not path.parent.is_symlink()]
    names = [path.parent.name for path in sorted(markers, key=lambda path: path.stat().st_mtime)]
    return [name for name in names if VERSION.fullmatch(name)]


def current(directory):
    """The version that the link leads to; empty where there is none."""
    try:
        return (directory / LINK).readlink().name
    except OSError:
        return ""


def said(directory, version):
    """What a version's marker says; empty where it is not complete."""
    try:
        return json.loads((directory / version / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def kind(python):
    """What an archive can be used on: operating system, Python release and architecture."""
    release = {}
    for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        release[name] = value.strip("\"'")
    system = release.get("ID", "linux") + release.get("VERSION_ID", "").partition(".")[0]
    return f"{system}-{Path(python).name}-{platform.machine()}"


def digest_of(path):
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def alone(directory):
    """Hold the directory's lock: one change at a time. What an earlier, killed change left is swept."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK).open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        for path in directory.iterdir():
            if path.name.startswith(PASSING):
                drop(path)
            elif path.name.startswith(BUILDING):
                abandon(directory, path.name[len(BUILDING) :])
        yield


def drop(path):
    """Remove a file, a link or a tree."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def abandon(directory, version):
    """Remove what a build that did not end has left."""
    if (directory / version).is_dir() and not said(directory, version):
        shutil.rmtree(directory / version)
    (directory / f"{BUILDING}{version}").unlink()


def run(command, environment):
    """Run a command.

    Raises:
        FaultError: It failed; with the last lines of what it said.
    """
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=environment
    )
    if done.returncode != 0:
        # pip hides the password of an address by itself; this is for what others print.
        text = re.sub(r"//[^/@\s]+@", "//****@", done.stdout)
        raise FaultError(f"{' '.join(command[:5])} ... ended with {done.returncode}:\n{text[-3000:]}")


def pip_environment(options):
    """The environment of pip: what the host's own configuration says, and what the site says on top."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", LC_ALL="C.UTF-8")
    # /tmp may be a small file system in memory.
    environment.setdefault("TMPDIR", "/var/tmp")  # noqa: S108
    if options.pip_config:
        environment["PIP_CONFIG_FILE"] = str(options.pip_config)
    store = next((path for path in STORES if Path(path).exists()), None)
    if store and "PIP_CERT" not in environment:
        # Releases of pip before 24.2 know only the authorities that came with them.
        asked = subprocess.run(
            [str(options.python), "-m", "pip", "config", "get", "global.cert"],
            capture_output=True,
            check=False,
            env=environment,
        )
        if asked.returncode != 0:
            environment["PIP_CERT"] = store
    return environment


def build(options):
    """Make a version from a lock file, where it stays."""
    target = options.directory / options.version
    has = said(options.directory, options.version)
    if has.get("digest") == options.digest and has.get("kind") == kind(options.python):
        return
    if has and has.get("kind") == kind(options.python):
        raise FaultError(f"{target} is there with other contents; a version's contents never change")
    with alone(options.directory):
        (options.directory / f"{BUILDING}{options.version}").touch()
        try:
            if target.exists():
                # Made for the Python that this host had before.
                shutil.rmtree(target)
            fill(target, options)
            marker = {"version": options.version, "digest": options.digest, "kind": kind(options.python)}
            write_marker(target, marker)
        finally:
            abandon(options.directory, options.version)


def fill(target, options):
    """Install what the lock file, the extra packages and the overlay name."""
    environment = pip_environment(options)
    run([str(options.python), "-m", "venv", str(target)], environment)
    python = str(target / "bin/python")
    install = [python, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--only-binary=:all:"]
    if options.wheels:
        install += ["--no-index", f"--find-links={options.wheels}"]
    run([*install, "--no-deps", "--require-hashes", "-r", str(options.lock)], environment)
    extra = options.extra.read_text(encoding="utf-8") if options.extra else ""
    if "--hash=" in extra:
        # With digests the site names everything that its packages need.
        run([*install, "--no-deps", "--require-hashes", "-r", str(options.extra)], environment)
    elif extra.strip():
        # What is locked stays as it is: a constraint, without the digests, which pip would want for all.
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
            constraints.write("\n".join(re.findall(r"^[^\s#-][^\\\n]*", options.lock.read_text(), re.M)))
            constraints.flush()
            run([*install, "-c", constraints.name, "-r", str(options.extra)], environment)
    run([python, "-m", "pip", "check"], environment)
    if options.overlay:
        lay_over(options.overlay, target)


def lay_over(overlay, target):
    """Copy files into a version: `packages/` to Python's own directory, programs with its interpreter."""
    packages = next(target.glob("lib/python3.*/site-packages"))
    for path in sorted(path for path in overlay.rglob("*") if path.is_file()):
        inner = path.relative_to(overlay)
        top, rest = inner.parts[0], Path(*inner.parts[1:])
        copy = packages / rest if top == "packages" else target / inner
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        if top == "bin":
            text = re.sub(r"\A#!.*", f"#!{target}/bin/python", text)
        copy.write_text(text, encoding="utf-8")
        copy.chmod(0o755 if top == "bin" else 0o644)
    run(
        [
            str(target / "bin/python"),
            "-m",
            "compileall",
            "-q",
            "-f",
            "--",
            *map(str, packages.glob("casa_*.py")),
        ],
        None,
    )


def write_marker(target, content):
    """Say that a version is complete."""
    new = target / f"{MARKER}.new"
    new.write_text(json.dumps(content, sort_keys=True) + "\n", encoding="utf-8")
    # The marker must not outlive a crash that the files did not.
    os.sync()
    new.rename(target / MARKER)


def pack(options):
    """Make an archive of a version and print its SHA-256. It belongs to whom its directory belongs."""
    target = options.directory / options.version
    if not said(options.directory, options.version):
        raise FaultError(f"{target} is not complete")
    owner = options.output.parent.stat()
    # Level 1 packs three times as fast as the default, for a twentieth more bytes.
    with tarfile.open(options.output, "w:gz", compresslevel=1, format=tarfile.PAX_FORMAT) as archive:
        archive.add(target, arcname=options.version, filter=as_root)
    os.chown(options.output, owner.st_uid, owner.st_gid)
    options.output.chmod(0o600)
    print(digest_of(options.output))


def as_root(member):
    """A member of an archive as root's."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def unpack(options):
    """Put a version in place from an archive, whole or not at all."""
    found = digest_of(options.archive)
    if found != options.sha256:
        raise FaultError(
            f"{options.archive} is not what was packed: its SHA-256 is {found}, not {options.sha256}"
        )
    target = options.directory / options.version
    with alone(options.directory):
        with tempfile.TemporaryDirectory(prefix=PASSING[0], dir=options.directory) as passing:
            with tarfile.open(options.archive) as archive:
                inside(archive, options.version)
                # Links lead to the host's interpreter, which stricter filters refuse.
                trusted = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
                archive.extractall(passing, **trusted)  # noqa: S202
            new = Path(passing) / options.version
            if not (new / MARKER).is_file():
                raise FaultError(f"{options.archive} holds no complete version {options.version}")
            has = json.loads((new / MARKER).read_text(encoding="utf-8"))
            if has["kind"] != kind(options.python):
                raise FaultError(
                    f"{options.archive} is for {has['kind']}, this host is {kind(options.python)}"
                )
            os.sync()
            if target.exists():
                # Not complete, or made for the Python that this host had before.
                target.rename(options.directory / f"{PASSING[1]}{options.version}")
            new.rename(target)
        for path in options.directory.glob(f"{PASSING[1]}*"):
            drop(path)


def inside(archive, version):
    """Require that an archive holds one version and nothing else.

    Raises:
        FaultError: A member lies elsewhere.
    """
    for member in archive:
        parts = Path(member.name).parts
        if (
            parts[:1] != (version,)
            or ".." in parts
            or not (member.isfile() or member.isdir() or member.issym())
        ):
            raise FaultError(f"the archive holds {member.name}, which is no part of {version}")


def switch(options):
    """Lead the link to a version, in one step."""
    if not said(options.directory, options.version):
        raise FaultError(f"{options.directory / options.version} is not complete")
    if current(options.directory) == options.version:
        return
    with alone(options.directory):
        new = options.directory / f"{PASSING[2]}{os.getpid()}"
        new.symlink_to(options.version)
        new.rename(options.directory / LINK)
    print(f"{options.directory / LINK} -> {options.version}")


def users_of(paths):
    """The processes that use something below one of some directories.

    Args:
        paths: Directories.

    Returns:
        {directory: [process number, ...]}, without those that nobody uses.
    """
    needles = {path: re.compile(re.escape(str(path)).encode() + rb"(?![A-Za-z0-9._+-])") for path in paths}
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        text = b"\0".join(looked_at(process))
        for path, needle in needles.items():
            if needle.search(text):
                found.setdefault(path, []).append(int(process.name))
    return found


def looked_at(process):
    """All that may name a directory that a process uses; it may end meanwhile."""
    for name in ("exe", "cwd", "root"):
        with contextlib.suppress(OSError):
            yield os.fsencode((process / name).readlink())
    for name in ("maps", "cmdline", "environ"):
        with contextlib.suppress(OSError):
            yield (process / name).read_bytes()
    with contextlib.suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                yield os.fsencode(descriptor.readlink())


def removable(options):
    """Versions that are neither current nor among the newest others to be kept nor in use."""
    names = [name for name in versions(options.directory) if name != current(options.directory)]
    names = names[: len(names) - options.keep] if options.keep else names
    used = users_of([options.directory / name for name in names])
    return [name for name in names if options.directory / name not in used and name not in options.used]


def prune(options):
    """Remove old versions that nobody uses; with --check only say whether there are any."""
    if not options.directory.is_dir():
        return
    names = removable(options)
    if options.check:
        if names:
            raise FaultError("\n".join(f"{options.directory / name} can be removed" for name in names))
        return
    if not names:
        return
    with alone(options.directory):
        for name in removable(options):
            path = options.directory / name
            # Out of reach first: who starts after the second look finds nothing, instead of half of it.
            aside = options.directory / f"{PASSING[1]}{name}"
            path.rename(aside)
            if users_of([path, aside]):
                aside.rename(path)
                continue
            shutil.rmtree(aside)
            print(f"removed {path}")


def used(options):
    """Print the versions that processes use, one a line."""
    for path in sorted(users_of([options.directory / name for name in versions(options.directory)])):
        print(path.name)


def complete(options):
    """Require that a version is there, made for this host's Python."""
    has = said(options.directory, options.version)
    python = options.directory / options.version / "bin/python"
    if not has or has["kind"] != kind(options.python) or not python.exists():
        raise FaultError(f"{options.directory / options.version} is not complete")
    if options.digest and has["digest"] != options.digest:
        raise FaultError(f"{options.directory / options.version} was made from something else")


def is_current(options):
    """Require that the link leads to a version."""
    if current(options.directory) != options.version:
        raise FaultError(f"{options.directory / LINK} leads to {current(options.directory) or 'nothing'}")


def state(options):
    """Print what is there as JSON."""
    names = versions(options.directory)
    users = users_of([options.directory / name for name in names])
    content = {
        "current": current(options.directory),
        "versions": {
            name: {**said(options.directory, name), "processes": users.get(options.directory / name, [])}
            for name in names
        },
    }
    print(json.dumps(content, indent=2, sort_keys=True))


def describe(options):
    """Print what an archive for this host is for."""
    print(kind(options.python))


def version_name(text):
    """A version's name, as an argument."""
    if not VERSION.fullmatch(text) or text == LINK:
        raise argparse.ArgumentTypeError("letters, digits and ._+- only, and not `current`")
    return text


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="casa-environment", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, wants in VERBS.items():
        one = verbs.add_parser(verb.__name__.replace("_", "-"), help=verb.__doc__, description=verb.__doc__)
        one.set_defaults(run=verb)
        for name in wants:
            one.add_argument(name, **OPTIONS[name])
    return parser


OPTIONS = {
    "--directory": {"type": Path, "required": True, "help": "where the versions are"},
    "--python": {
        "type": Path,
        "required": True,
        "help": "the host's interpreter, with its release in its name",
    },
    "--digest": {"default": "", "help": "SHA-256 of all that the version is made from"},
    "--lock": {"type": Path, "required": True, "help": "requirements with digests"},
    "--extra": {"type": Path, "help": "more requirements, each of one version"},
    "--overlay": {"type": Path, "help": "a directory with packages/, bin/ and etc/ to copy into it"},
    "--wheels": {"type": Path, "help": "a directory with all wheels; nothing is downloaded then"},
    "--pip-config": {"type": Path, "help": "a configuration file for pip, which may hold a password"},
    "--output": {"type": Path, "required": True, "help": "the archive"},
    "--archive": {"type": Path, "required": True, "help": "the archive"},
    "--sha256": {"required": True, "help": "its digest"},
    "--keep": {"type": int, "default": 0, "help": "how many of the others to keep"},
    "--used": {"action": "append", "default": [], "help": "a version that another host uses"},
    "--check": {"action": "store_true", "help": "end with 1 where something can be removed"},
    "version": {"type": version_name, "metavar": "VERSION"},
}
VERBS = {
    describe: ["--python"],
    build: [
        "--directory",
        "--python",
        "--lock",
        "--digest",
        "--extra",
        "--overlay",
        "--wheels",
        "--pip-config",
        "version",
    ],
    complete: ["--directory", "--python", "--digest", "version"],
    pack: ["--directory", "--output", "version"],
    unpack: ["--directory", "--python", "--archive", "--sha256", "version"],
    switch: ["--directory", "version"],
    is_current: ["--directory", "version"],
    prune: ["--directory", "--keep", "--used", "--check"],
    used: ["--directory"],
    state: ["--directory"],
}


def main():
    """Run one verb.

    Returns:
        The exit status.
    """
    options = arguments().parse_args()
    # Everybody reads what root installs, whatever root's own habit is.
    os.umask(0o022)
    try:
        options.run(options)
    except (FaultError, OSError, tarfile.TarError) as fault:
        print(f"casa-environment: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
