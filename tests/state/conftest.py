"""A host made of a scratch directory: the real probe under /bin/sh, the real host code, no Ansible."""

from __future__ import annotations

import os
import subprocess
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jinja2
import jinja2.nativetypes
import pytest
import yaml

from casa_install.errors import CasaError
from casa_install.plugins.module_utils.casa_state.errors import HostError
from casa_install.plugins.module_utils.casa_state.platform import HostPaths, PlainPlatform
from casa_install.plugins.module_utils.casa_state.serve import serve
from casa_install.state.apply import apply
from casa_install.state.document import load_state_file
from casa_install.state.host import Options, Outcome
from casa_install.state.remove import remove
from casa_install.state.render import Desired, render
from casa_install.state.renderer import RenderError
from casa_install.state.settle import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class NativeRenderer:
    """The Renderer contract on plain Jinja."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self.variables = dict(variables)
        options: dict[str, Any] = {"undefined": jinja2.StrictUndefined}
        self.native = jinja2.nativetypes.NativeEnvironment(**options)
        self.plain = jinja2.Environment(**options, keep_trailing_newline=True, trim_blocks=True)

    def value(self, template: str) -> Any:
        return self._guard(lambda: self.native.from_string(template).render(self.variables))

    def truth(self, condition: str) -> bool:
        return bool(self._guard(lambda: self.native.compile_expression(condition, False)(**self.variables)))

    def template(self, path: Path) -> str:
        return str(self._guard(lambda: self.plain.from_string(path.read_text()).render(self.variables)))

    def load_variables(self, path: Path) -> Mapping[str, Any]:
        loaded = yaml.safe_load(path.read_text())
        assert isinstance(loaded, dict)
        return loaded

    def with_variables(self, variables: Mapping[str, Any]) -> NativeRenderer:
        return NativeRenderer({**self.variables, **variables})

    @staticmethod
    def _guard(render_it: Callable[[], Any]) -> Any:
        try:
            made = render_it()
            if isinstance(made, jinja2.Undefined):
                str(made)
        except jinja2.UndefinedError as fault:
            raise RenderError(str(fault)) from fault
        except jinja2.TemplateError as fault:
            raise RenderError(str(fault), public=False) from fault
        return made


@dataclass
class Role:
    """A role in a scratch directory."""

    directory: Path
    variables: dict[str, Any] = field(default_factory=dict)

    def write(self, body: str, **variables: Any) -> None:
        (self.directory / "state.yml").write_text(textwrap.dedent(body))
        self.variables.update(variables)

    def desired(self) -> Desired:
        return render(load_state_file(self.directory / "state.yml"), NativeRenderer(self.variables))


@dataclass
class LocalHost:
    """This computer, with our directory, our lock and the programs that answer for it in a scratch place."""

    scratch: Path
    platform: PlainPlatform = field(default_factory=PlainPlatform)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    on_module: Callable[[str, dict[str, Any]], bool] = lambda name, arguments: True
    shell: tuple[str, ...] = ("/bin/sh", "-s")
    proc_sys: str = "/proc/sys"

    @property
    def base(self) -> str:
        return str(self.scratch / "casa")

    @property
    def receipts(self) -> Path:
        return self.scratch / "casa" / "receipts"

    @property
    def fakes(self) -> Path:
        return self.scratch / "fakes"

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{self.fakes / 'bin'}:{os.environ['PATH']}", "FAKE": str(self.fakes)}

    def probe(self, script: str) -> bytes:
        done = subprocess.run(
            self.shell, input=script.encode(), stdout=subprocess.PIPE, check=False, env=self.environment()
        )
        return done.stdout

    def engine(self, document: dict[str, Any]) -> dict[str, Any]:
        self.documents.append(document)
        paths = HostPaths(base=document["base"], lock=str(self.scratch / "lock"), proc_sys=self.proc_sys)
        try:
            return serve(document, self.platform, paths)
        except HostError as fault:
            raise CasaError(fault.message, hint=fault.hint) from fault

    def module(self, name: str, arguments: dict[str, Any]) -> bool:
        self.calls.append((name, arguments))
        return self.on_module(name, arguments)

    def stage(self, path: Path) -> str:
        return str(path)


@dataclass
class Site:
    """One role and one host."""

    role: Role
    host: LocalHost
    root: Path

    def options(self, **changes: Any) -> Options:
        return Options(**{"run": "run1", "holder": "tester", "base": self.host.base, **changes})

    def apply(self, **changes: Any) -> Outcome:
        return apply(self.role.desired(), self.host, self.options(**changes))

    def remove(self, **changes: Any) -> Outcome:
        return remove(self.role.directory.name, self.host, self.options(**changes))

    def settle(self) -> Outcome:
        return settle(self.role.desired(), self.host, self.options())

    def shell(self, script: str) -> None:
        """Change the host the way an admin would, without any code of ours."""
        subprocess.run(["/bin/sh", "-ec", script], check=True, cwd=self.root)

    def listing(self) -> list[str]:
        """Everything that find(1) can say about the managed tree and our own directory."""
        found = subprocess.run(
            ["/usr/bin/find", str(self.root), self.host.base, "-printf", "%p %y %m %u %g %s %i %T@ %C@ %l\n"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return sorted(found.stdout.decode("utf-8", "surrogateescape").splitlines())


_FAKES = {
    "dpkg-query": """
        # the format is ours alone, so its fields are known
        shift 2; rc=0
        [ $# -gt 0 ] || cat "$FAKE/packages"
        for name; do grep "^K $name " "$FAKE/packages" || rc=1; done
        exit $rc
    """,
    "apt-get": """
        case "$*" in --simulate*autoremove) ;; *) exit 1 ;; esac
        while read -r name; do echo "Remv $name [1.0]"; done < "$FAKE/orphans"
    """,
    "getent": """
        if grep -q "^" "$FAKE/$1" 2>/dev/null; then
          case $2 in
            [0-9]*) grep "^[^:]*:[^:]*:$2:" "$FAKE/$1" || exit 2 ;;
            *) grep "^$2:" "$FAKE/$1" || exit 2 ;;
          esac
        else exit 2; fi
    """,
    "id": """
        if [ "$1" = -u ]; then cat "$FAKE/uid"; else cat "$FAKE/ids/$2" 2>/dev/null || exit 1; fi
    """,
    "systemctl": """
        u=$FAKE/units
        if [ -e "$FAKE/no-systemd" ]; then exit 1; fi
        verb=$1; shift
        if [ "$verb" = show ]; then
          first=yes
          while [ $# -gt 0 ]; do
            case $1 in --timestamp=*) ;; -p) shift ;; *)
              [ $first = yes ] || echo; first=no
              if [ -e "$u/$1" ]; then cat "$u/$1"
              else printf 'Id=%s\\nLoadState=not-found\\nActiveState=inactive\\n' "$1"; fi ;;
            esac; shift
          done; exit 0
        fi
        if [ "${1:-}" = -- ]; then shift; fi
        echo "$verb $*" >> "$FAKE/systemctl.log"
        put() { sed -i "s|^$2=.*|$2=$3|" "$u/$1"; }
        case $verb in
          daemon-reload)
            for f in "$u"/*; do put "${f##*/}" NeedDaemonReload no; done ;;
          start) [ ! -e "$FAKE/broken" ] || { echo "Job for $1 failed."; exit 1; }
                 put "$1" ActiveState active; put "$1" ActiveEnterTimestamp "@$(date +%s)" ;;
          stop) put "$1" ActiveState inactive ;;
          enable) put "$1" UnitFileState enabled ;;
          disable) put "$1" UnitFileState disabled ;;
          mask) put "$1" LoadState masked ;;
          unmask) put "$1" LoadState loaded ;;
        esac
        exit 0
    """,
}


@pytest.fixture
def role(tmp_path: Path) -> Role:
    directory = tmp_path / "roles" / "demo"
    directory.mkdir(parents=True)
    return Role(directory)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalHost:
    """A host on which packages, accounts and units are files that fakes read; paths are real."""
    if os.geteuid() != 0:
        pytest.skip("needs root: owners are set, and receipts are root's")
    made = LocalHost(tmp_path)
    (made.fakes / "bin").mkdir(parents=True)
    (made.fakes / "units").mkdir()
    (made.fakes / "ids").mkdir()
    (made.fakes / "packages").write_text("")
    (made.fakes / "uid").write_text("0\n")
    for name, body in _FAKES.items():
        path = made.fakes / "bin" / name
        path.write_text("#!/bin/sh\n" + textwrap.dedent(body))
        path.chmod(0o755)
    monkeypatch.setenv("PATH", made.environment()["PATH"])
    monkeypatch.setenv("FAKE", str(made.fakes))
    return made


@pytest.fixture
def site(role: Role, host: LocalHost, tmp_path: Path) -> Site:
    root = tmp_path / "h"
    root.mkdir()
    role.variables["root"] = str(root)
    return Site(role, host, root)
