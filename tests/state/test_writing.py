"""How a file is put in place on a host: whole or not at all, and never somewhere else."""

from __future__ import annotations

import ast
import contextlib
import errno
import hashlib
import os
import stat
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from casa_install.plugins.module_utils.casa_state import writing
from casa_install.plugins.module_utils.casa_state.errors import HostError
from casa_install.plugins.module_utils.casa_state.expected import Attributes, Expected
from casa_install.plugins.module_utils.casa_state.lock import host_lock
from casa_install.plugins.module_utils.casa_state.platform import PlainPlatform
from casa_install.plugins.module_utils.casa_state.walk import open_directory
from casa_install.plugins.module_utils.casa_state.writing import (
    NewFile,
    make_directory,
    make_link,
    remove,
    set_attributes,
    sweep,
    write_file,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners are set")
PLAIN = PlainPlatform()


def new(path: Path, content: bytes = b"new", **changes: object) -> NewFile:
    return NewFile(str(path), lambda: iter((content,)), **changes)  # type: ignore[arg-type]


def seen(path: Path) -> Expected:
    return Expected("file", hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_ino)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_has_its_owner_and_mode_from_the_first_moment(tmp_path: Path) -> None:
    modes: list[int] = []

    class Watching(PlainPlatform):
        def move(self, source: str, target: str) -> None:
            modes.append(stat.S_IMODE(os.stat(source).st_mode))
            super().move(source, target)

    write_file(new(tmp_path / "f", attributes=Attributes("1", "1", 0o440)), Watching())
    found = (tmp_path / "f").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1, 1, 0o440)
    assert modes == [0o440]
    assert names(tmp_path) == ["f"]


def test_a_secret_is_private_unless_a_mode_says_otherwise(tmp_path: Path) -> None:
    write_file(new(tmp_path / "f", private=True), PLAIN)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600


def test_a_mover_that_sets_modes_of_its_own_is_put_right(tmp_path: Path) -> None:
    """Ansible's atomic_move gives a file that is new the mode of the umask."""
    opened: list[int] = []

    class LikeAnsible(PlainPlatform):
        def move(self, source: str, target: str) -> None:
            super().move(source, target)
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(target, 0o666 & ~umask)
            opened.append(stat.S_IMODE(os.stat(target).st_mode))

    write_file(new(tmp_path / "f", attributes=Attributes(mode=0o640)), LikeAnsible())
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640
    assert opened == [0o600], "others could have read it for a moment"


def test_owner_mode_acl_and_attributes_are_kept_where_nothing_else_is_said(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    os.chown(path, 1, 2)
    path.chmod(0o604)
    try:
        os.setxattr(path, "user.note", b"kept")
    except OSError:
        pytest.skip("this file system has no user attributes")
    acl = bytes.fromhex(
        "0200000001000600ffffffff0200040001000000040004 00ffffffff10000600ffffffff20000400ffffffff"
    )
    with contextlib.suppress(OSError):
        os.setxattr(path, "system.posix_acl_access", acl)
    before = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    mode = stat.S_IMODE(path.stat().st_mode)
    write_file(new(path), PLAIN)
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1, 2, mode)
    assert {name: os.getxattr(path, name) for name in os.listxattr(path)} == before
    assert path.read_text() == "new"


def test_a_file_edited_since_the_probe_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    expected = seen(path)
    path.write_text("edited")
    with pytest.raises(HostError, match="was edited while casa-install was at work"):
        write_file(new(path, expected=expected), PLAIN)
    assert path.read_text() == "edited"
    assert names(tmp_path) == ["f"]


def test_a_file_edited_just_before_the_rename_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    edit = ("sh", "-c", f"echo edited > {path}; test -f $0", "%s")
    with pytest.raises(HostError, match="was edited"):
        write_file(new(path, expected=seen(path), validate=edit), PLAIN)
    assert path.read_text() == "edited\n"
    assert names(tmp_path) == ["f"]


def test_a_file_replaced_by_an_equal_one_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    expected = seen(path)
    (tmp_path / "g").write_text("old")
    os.replace(tmp_path / "g", path)
    with pytest.raises(HostError, match="was edited"):
        write_file(new(path, expected=expected), PLAIN)


def test_a_secret_edited_since_the_probe_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    status = path.stat()
    expected = Expected("file", inode=status.st_ino, ctime=int(status.st_ctime) - 5)
    with pytest.raises(HostError, match="was edited"):
        write_file(new(path, expected=expected), PLAIN)
    write_file(new(path, expected=Expected("file", inode=status.st_ino, ctime=int(status.st_ctime))), PLAIN)


def test_a_file_that_appeared_since_the_probe_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("theirs")
    with pytest.raises(HostError, match="was edited"):
        write_file(new(tmp_path / "f", expected=Expected("absent")), PLAIN)
    assert (tmp_path / "f").read_text() == "theirs"


def test_validate_must_accept_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    refuse = ("sh", "-c", 'echo "line 1: bad"; grep -q good $0', "%s")
    with pytest.raises(HostError, match="left as it was: the new file is refused by") as caught:
        write_file(new(path, validate=refuse), PLAIN)
    assert "line 1: bad" in caught.value.message
    assert path.read_text() == "old"
    write_file(new(path, b"good", validate=refuse), PLAIN)
    assert path.read_text() == "good"


def test_what_validate_says_about_a_secret_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(HostError) as caught:
        write_file(
            new(tmp_path / "f", b"CANARY", validate=("sh", "-c", "cat $0; exit 1", "%s"), private=True), PLAIN
        )
    assert "CANARY" not in caught.value.message


def test_a_validate_command_that_is_not_there_refuses(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="not found"):
        write_file(new(tmp_path / "f", validate=("no-such-command", "%s")), PLAIN)
    assert names(tmp_path) == []


def test_a_parent_that_is_a_link_is_followed_where_root_owns_it_in_a_safe_directory(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("./../" + tmp_path.name + "/real")
    write_file(new(tmp_path / "link" / "f"), PLAIN)
    assert (tmp_path / "real" / "f").read_text() == "new"


@pytest.mark.parametrize("weak", ["owner", "directory"])
def test_a_parent_that_is_a_link_is_refused_where_others_could_change_it(tmp_path: Path, weak: str) -> None:
    (tmp_path / "real").mkdir()
    holder = tmp_path / "holder"
    holder.mkdir()
    (holder / "link").symlink_to("../real")
    if weak == "owner":
        os.chown(holder / "link", 1, 1, follow_symlinks=False)
    else:
        holder.chmod(0o777)
    with pytest.raises(HostError, match="which others than root could change"):
        write_file(new(holder / "link" / "f"), PLAIN)
    assert names(tmp_path / "real") == []


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(HostError, match="too many symbolic links"):
        write_file(new(tmp_path / "a" / "f"), PLAIN)


def test_a_link_in_place_of_the_file_is_replaced_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("theirs")
    (tmp_path / "f").symlink_to("victim")
    write_file(new(tmp_path / "f"), PLAIN)
    assert (tmp_path / "victim").read_text() == "theirs"
    assert not (tmp_path / "f").is_symlink()


def test_below_a_directory_that_others_write_to_names_are_not_trusted(tmp_path: Path) -> None:
    folder = tmp_path / "users"
    folder.mkdir()
    os.chown(folder, 1, 1)

    class Never(PlainPlatform):
        def move(self, source: str, target: str) -> None:
            raise AssertionError(target)

    write_file(new(folder / "f"), Never())
    assert (folder / "f").read_text() == "new"
    with open_directory(str(folder)) as directory:
        assert directory.trusted is False


def test_attributes_of_a_file_with_other_names_are_left_where_others_write(tmp_path: Path) -> None:
    shadow = tmp_path / "shadow"
    shadow.write_text("x")
    shadow.chmod(0o600)
    folder = tmp_path / "users"
    folder.mkdir()
    os.chown(folder, 1, 1)
    os.link(shadow, folder / "f")
    with pytest.raises(HostError, match="hard links"):
        set_attributes(str(folder / "f"), Attributes("1", None, 0o644), Expected("file"))
    assert (shadow.stat().st_uid, stat.S_IMODE(shadow.stat().st_mode)) == (0, 0o600)


def test_an_unknown_owner_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="the host knows no user 'no-such-user'"):
        write_file(new(tmp_path / "f", attributes=Attributes("no-such-user")), PLAIN)
    assert names(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_the_file_old_and_names_it(tmp_path: Path, number: int) -> None:
    path = tmp_path / "f"
    path.write_text("old")

    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise OSError(number, "full")

    with pytest.raises(HostError, match=f"no space left on the file system of {path}") as caught:
        write_file(NewFile(str(path), chunks), PLAIN)
    assert caught.value.fatal
    assert path.read_text() == "old"
    assert names(tmp_path) == ["f"]


def in_own_mounts(script: str, *arguments: str) -> str:
    """Run Python in a mount namespace of its own; skipped where that is not allowed."""
    if subprocess.run(["unshare", "-m", "true"], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no mount namespaces here")
    done = subprocess.run(
        [
            "unshare",
            "-m",
            "--propagation",
            "private",
            sys.executable,
            "-c",
            textwrap.dedent(script),
            *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if done.returncode == 77:
        pytest.skip("mounting is not allowed here")
    return done.stdout.decode()


def test_a_really_full_disk_leaves_every_file_old_or_new(tmp_path: Path) -> None:
    said = in_own_mounts(
        """
        import subprocess, sys
        from pathlib import Path
        from casa_install.plugins.module_utils.casa_state.errors import HostError
        from casa_install.plugins.module_utils.casa_state.platform import PlainPlatform
        from casa_install.plugins.module_utils.casa_state.writing import NewFile, write_file
        root = Path(sys.argv[1])
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", root]).returncode: sys.exit(77)
        for name in "abc":
            (root / name).write_text("old")
        for name in "abc":
            try:
                write_file(NewFile(str(root / name), lambda: iter([b"n" * 30000])), PlainPlatform())
            except HostError as fault:
                print(name, fault.fatal, fault.message)
        print(sorted((path.name, path.stat().st_size) for path in root.iterdir()))
        """,
        str(tmp_path),
    )
    assert f"c True no space left on the file system of {tmp_path}/c; it was left as it was" in said or (
        f"b True no space left on the file system of {tmp_path}/b" in said
    )
    sizes = dict(ast.literal_eval(said.splitlines()[-1]))
    assert set(sizes) == {"a", "b", "c"}
    assert set(sizes.values()) <= {3, 30000}


def test_a_bind_mounted_file_is_named_with_the_way_round(tmp_path: Path) -> None:
    said = in_own_mounts(
        """
        import subprocess, sys
        from pathlib import Path
        from casa_install.plugins.module_utils.casa_state.errors import HostError
        from casa_install.plugins.module_utils.casa_state.platform import PlainPlatform
        from casa_install.plugins.module_utils.casa_state.writing import NewFile, write_file
        root = Path(sys.argv[1])
        (root / "f").write_text("old"); (root / "source").write_text("mounted")
        if subprocess.run(["mount", "--bind", root / "source", root / "f"]).returncode: sys.exit(77)
        try:
            write_file(NewFile(str(root / "f"), lambda: iter([b"new"])), PlainPlatform())
        except HostError as fault:
            print(fault.message, "|", fault.hint)
        print(sorted(path.name for path in root.iterdir()), (root / "f").read_text())
        """,
        str(tmp_path),
    )
    assert f"cannot write {tmp_path}/f: it is a mount point (a bind mount?), which cannot be replaced" in said
    assert f"| unmount {tmp_path}/f, or change the file that is mounted there at its source" in said
    assert said.splitlines()[-1] == "['f', 'source'] mounted"


def test_temporary_files_of_a_killed_run_are_swept_and_nothing_else(tmp_path: Path) -> None:
    left = tmp_path / ".casa-tmp-0123456789abcdef"
    left.write_text("secret")
    for name in (".casa-tmp-short", "casa-tmp-0123456789abcdef", ".casa-tmp-0123456789abcdef.bak"):
        (tmp_path / name).touch()
    (tmp_path / ".casa-tmp-fedcba9876543210").touch()
    os.chown(tmp_path / ".casa-tmp-fedcba9876543210", 1, 1)
    assert sweep(str(tmp_path)) == [str(left)]
    assert len(names(tmp_path)) == 4
    assert sweep(str(tmp_path / "none")) == []


def test_temporary_files_are_dot_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[list[str]] = []
    monkeypatch.setattr(writing, "_validate", lambda *_: found.append(names(tmp_path)))
    write_file(new(tmp_path / "f"), PLAIN)
    (name,) = found[0]
    assert name.startswith(".casa-tmp-")


def test_a_directory_gets_its_name_with_its_mode(tmp_path: Path) -> None:
    make_directory(str(tmp_path / "d"), Attributes("1", "1", 0o2750), PLAIN)
    found = (tmp_path / "d").stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (1, 0o2750)
    with pytest.raises(HostError, match="appeared"):
        make_directory(str(tmp_path / "d"), Attributes(), PLAIN)
    assert names(tmp_path) == ["d"]


def test_a_link_is_replaced_in_one_step_and_a_directory_never(tmp_path: Path) -> None:
    make_link(str(tmp_path / "l"), "a", Expected("absent"), PLAIN)
    make_link(str(tmp_path / "l"), "b", Expected("link"), PLAIN)
    assert os.readlink(tmp_path / "l") == "b"
    (tmp_path / "d").mkdir()
    with pytest.raises(HostError, match="is a directory, not a link"):
        make_link(str(tmp_path / "d"), "b", Expected("directory"), PLAIN)


def test_a_directory_with_something_in_it_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").touch()
    with pytest.raises(HostError, match="with something in it"):
        remove(str(tmp_path / "d"), Expected("directory"))
    assert (tmp_path / "d" / "f").exists()


def test_a_lock_on_the_host_serialises_two_admins(tmp_path: Path) -> None:
    lock = str(tmp_path / "lock")
    with host_lock(lock, "anna@desk"), pytest.raises(HostError) as caught, host_lock(lock, "bert@desk", 0.3):
        pass
    assert "another casa-install is changing this host: anna@desk, process" in caught.value.message
    with host_lock(lock, "bert@desk", 0.3):
        pass


def test_the_lock_is_free_as_soon_as_its_holder_is_killed(tmp_path: Path) -> None:
    lock = str(tmp_path / "lock")
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys,time\nfrom casa_install.plugins.module_utils.casa_state.lock import host_lock\n"
            "with host_lock(sys.argv[1], 'x'):\n print('held', flush=True); time.sleep(60)",
            lock,
        ],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with host_lock(lock, "y", 0.3):
        pass
