"""What a server saves of a cluster, and how it comes back, with SQLite's database for real.

etcd's own commands are k3s's: where a program plays them here, it shows control flow only.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

CANARY = "a key that must not be printed"
TOKEN = "K10" + "0" * 64 + "::server:secret-of-servers"
AGENT_TOKEN = "K10" + "0" * 64 + "::node:secret-of-agents"


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def mode(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


class Server:
    """A server's directories, and a program in the place of k3s."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "data"
        self.settings = path / "etc"
        self.program = write(path / "bin/k3s", '#!/bin/sh\necho "k3s version v1.21.3+k3s1 (abc)"\n', 0o755)
        write(path / "bin/systemctl", '#!/bin/sh\ncat "$(dirname "$0")/state"\n', 0o755)
        write(path / "bin/state", "inactive\n")
        self.data.mkdir()
        write(self.settings / "k3s/token", "secret-of-servers\n")
        write(self.settings / "k3s/agent-token", "secret-of-agents\n")

    @property
    def server(self) -> Path:
        return self.data / "server"

    def fill(self) -> None:
        """Give it the data of a cluster."""
        write(self.server / "tls/server-ca.key", CANARY)
        write(self.server / "tls/serving-kube-apiserver.key", "of this host alone")
        write(self.server / "cred/passwd", CANARY)
        write(self.server / "token", TOKEN + "\n")
        write(self.server / "agent-token", AGENT_TOKEN + "\n")
        write(self.settings / "node/password", "node's own")
        (self.server / "db").mkdir(exist_ok=True)
        with sqlite3.connect(self.server / "db/state.db") as database:
            database.execute("create table kine (name text)")
            database.execute("insert into kine values ('before')")

    def order(self, **more: Any) -> dict[str, Any]:
        shared = {"data": str(self.data), "settings": str(self.settings), "program": str(self.program)}
        backup = {"name": "casa-backup", "snapshots": "", "about": {"site": "T3", "node": "s1"}}
        restore = {"unit": "k3s.service", "node": "s1", "others": [], "seconds": 20}
        places = {"place": str(self.path / "place"), "join": str(self.settings / "k3s/join.env")}
        return {**shared, **backup, **restore, **places, **more}


@pytest.fixture
def old(tmp_path: Path) -> Server:
    (tmp_path / "old").mkdir()
    server = Server(tmp_path / "old")
    server.fill()
    return server


@pytest.fixture
def new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    (tmp_path / "new").mkdir()
    server = Server(tmp_path / "new")
    monkeypatch.setenv("PATH", f"{server.path}/bin:{os.environ['PATH']}")
    return server


@pytest.fixture
def packed(run_program, old: Server, new: Server) -> dict[str, Any]:
    """A backup of the old server, beside the new one."""
    return bring(run_program, old, new)


def bring(run_program, old: Server, new: Server) -> dict[str, Any]:
    answer: dict[str, Any] = run_program("backup.py", old.order(action="pack"))
    (new.path / "place").mkdir()
    shutil.copy(answer["path"], new.path / "place/backup.tar.gz")
    return answer


def test_a_backup_holds_what_exists_once_per_cluster(packed):
    assert mode(packed["path"]) == 0o600
    assert packed["datastore"] == "sqlite"
    assert packed["version"] == "v1.21.3+k3s1"
    assert CANARY not in json.dumps(packed)
    with tarfile.open(packed["path"]) as tar:
        names = tar.getnames()
        manifest = json.loads(tar.extractfile("manifest.json").read())
    assert names[0] == "manifest.json"
    assert {"tls/server-ca.key", "cred/passwd", "token", "agent-token", "node-password"} <= set(names)
    assert "tls/serving-kube-apiserver.key" not in names
    assert manifest["site"] == "T3"
    assert set(manifest["files"]) == set(names[1:])


@pytest.mark.usefixtures("packed")
def test_the_copy_beside_the_database_does_not_stay(old):
    assert list((old.server / "db/snapshots").iterdir()) == []


@pytest.mark.usefixtures("packed")
def test_cleaning_leaves_nothing(run_program, old):
    assert run_program("backup.py", old.order(action="clean"))["changed"]
    assert not (old.server / "casa-backup").exists()
    assert not run_program("backup.py", old.order(action="clean"))["changed"]


def test_cleaning_takes_what_a_cut_backup_left_and_no_other_snapshot(run_program, old):
    left = write(old.server / "db/snapshots/casa-backup-s1-1800000000", "data")
    kept = write(old.server / "db/snapshots/casa-before-v1-21-3-k3s1-s1-1800000000", "data")
    assert run_program("backup.py", old.order(action="clean"))["changed"]
    assert (left.exists(), kept.exists()) == (False, True)


def test_a_database_that_is_written_to_is_saved_whole(run_program, old):
    with sqlite3.connect(old.server / "db/state.db") as writer:
        writer.execute("insert into kine values ('not committed')")
        answer = run_program("backup.py", old.order(action="snapshot"))
        writer.rollback()
    with sqlite3.connect(answer["path"]) as copy:
        assert copy.execute("select name from kine").fetchall() == [("before",)]
    assert mode(answer["path"]) == 0o600


def test_an_external_datastore_is_not_k3s_to_save(run_program, old):
    (old.server / "db/state.db").unlink()
    answer = run_program("backup.py", old.order(action="pack"))
    assert "external datastore" in answer["fault"]
    assert not (old.server / "casa-backup").exists()


def etcd(server: Server, size: int, digest: bytes | None = None) -> None:
    """Make it one with etcd, whose program writes a snapshot (control flow only)."""
    (server.server / "db/state.db").unlink()
    (server.server / "db/etcd/member").mkdir(parents=True)
    content = b"p" * size
    saved = server.path / "saved"
    saved.write_bytes(content + (hashlib.sha256(content).digest() if digest is None else digest))
    script = f"""#!/bin/sh
[ "$1" = --version ] && echo "k3s version v1.21.3+k3s1 (abc)" && exit
[ "$2" = --help ] && echo "save  Trigger" && exit
[ "$2 $3" = "save --name" ] || exit 3
mkdir -p {server.server}/db/snapshots && cp {saved} {server.server}/db/snapshots/$4-s1-1800000000
"""
    write(server.program, script, 0o755)


def test_a_snapshot_of_etcd_is_found_and_checked(run_program, old):
    etcd(old, 1024)
    answer = run_program("backup.py", old.order(action="snapshot", name="casa-before"))
    assert answer["path"].endswith("db/snapshots/casa-before-s1-1800000000")


def test_a_damaged_snapshot_is_no_backup(run_program, old):
    etcd(old, 1024, b"0" * 32)
    answer = run_program("backup.py", old.order(action="pack"))
    assert "is damaged" in answer["fault"]
    assert not (old.server / "casa-backup").exists()


def test_a_snapshot_that_k3s_refuses_is_told(run_program, old):
    etcd(old, 1024)
    write(old.program, '#!/bin/sh\necho "level=fatal etcd is not there" >&2\nexit 1\n', 0o755)
    answer = run_program("backup.py", old.order(action="snapshot"))
    assert "etcd is not there" in answer["fault"]


@pytest.mark.usefixtures("packed")
def test_what_was_saved_comes_back(run_program, new):
    answer = run_program("restore.py", new.order(action="restore"))
    assert answer == {"changed": True, "refused": ""}
    with sqlite3.connect(new.server / "db/state.db") as database:
        assert database.execute("select name from kine").fetchall() == [("before",)]
    assert (new.server / "tls/server-ca.key").read_text() == CANARY
    assert (new.server / "token").read_text() == TOKEN + "\n"
    assert (new.settings / "node/password").read_text() == "node's own"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in new.server.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert (new.settings / "k3s/join.env").is_file()


@pytest.mark.usefixtures("packed")
def test_what_a_cut_restore_unpacked_is_in_nobodys_way(run_program, new):
    write(new.path / "place/content/token", "half")
    assert run_program("restore.py", new.order(action="restore"))["changed"]
    assert (new.server / "token").read_text() == TOKEN + "\n"


@pytest.mark.usefixtures("packed")
def test_under_another_name_the_node_gets_a_password_of_its_own(run_program, new):
    run_program("restore.py", new.order(action="restore", node="s2"))
    assert not (new.settings / "node/password").exists()


def untouched(new: Server) -> bool:
    return not new.server.exists() or not any(path.is_file() for path in new.server.rglob("*"))


@pytest.mark.usefixtures("packed")
def test_a_server_with_data_is_refused(run_program, new):
    write(new.server / "token", "of another cluster")
    answer = run_program("restore.py", new.order(action="restore"))
    assert "this server is not empty" in answer["refused"]
    assert (new.server / "token").read_text() == "of another cluster"
    assert not (new.server / "tls").exists()


@pytest.mark.usefixtures("packed")
@pytest.mark.parametrize("state", ["active", "activating"])
def test_a_server_that_runs_is_refused(run_program, new, state):
    write(new.path / "bin/state", f"{state}\n")
    answer = run_program("restore.py", new.order(action="restore"))
    assert "k3s.service runs" in answer["refused"]
    assert untouched(new)


@pytest.mark.usefixtures("packed")
@pytest.mark.parametrize(("file", "variable"), [("token", "k3s_token"), ("agent-token", "k3s_agent_token")])
def test_another_token_is_refused(run_program, new, file, variable):
    write(new.settings / "k3s" / file, "of another day\n")
    answer = run_program("restore.py", new.order(action="restore"))
    assert answer["refused"].startswith(f"{variable} is not the one that the cluster had")
    assert "secret-of" not in answer["refused"]
    assert untouched(new)


def test_a_reset_that_fails_leaves_an_empty_server(run_program, old, new):
    etcd(old, 1024)
    bring(run_program, old, new)
    write(new.program, "#!/bin/sh\necho 'level=fatal msg=\"no such snapshot\"'\nexit 1\n", 0o755)
    answer = run_program("restore.py", new.order(action="restore"))
    assert answer["refused"] == "k3s did not restore the snapshot: no such snapshot"
    assert untouched(new)
    assert not (new.settings / "k3s/join.env").exists()


def test_a_reset_that_does_not_end_is_ended(run_program, old, new):
    etcd(old, 1024)
    bring(run_program, old, new)
    write(new.program, "#!/bin/sh\nexec sleep 60\n", 0o755)
    answer = run_program("restore.py", new.order(action="restore", seconds=1))
    assert "within 1 s" in answer["refused"]
    assert untouched(new)


def test_a_reset_gets_no_token_on_its_command_line(run_program, old, new):
    etcd(old, 1024)
    bring(run_program, old, new)
    write(new.program, f'#!/bin/sh\necho "$@" > {new.path}/words\n', 0o755)
    assert run_program("restore.py", new.order(action="restore"))["changed"]
    words = (new.path / "words").read_text()
    assert words.startswith("server --cluster-reset --cluster-reset-restore-path=")
    assert "secret" not in words


def test_a_look_names_what_is_there(run_program, new):
    write(new.server / "cred/passwd", "x")
    write(new.path / "bin/state", "active\n")
    answer = run_program("restore.py", new.order(action="look", others=["127.0.0.1:9"]))
    assert answer["data"] == [str(new.server / "cred/passwd")]
    assert answer["runs"]
    assert answer["alive"] == []
