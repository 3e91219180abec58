"""The machine image: a minimal Debian with systemd and sshd, made here from the distribution's packages."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from casa_install.lab.podman import Podman

Reporter = Callable[[str], None]
"""Takes one line of progress."""

SYSTEMS_FILE = Path(__file__).with_name("systems.yml")
CA_DIRECTORY = Path("/usr/local/share/ca-certificates")
"""Where Debian keeps the certificate authorities that an administrator added (update-ca-certificates(8))."""


SSHD_DROPIN = Path("/etc/systemd/system/ssh.service.d/host-keys.conf")
HOST_KEYS_FIRST = (
    "[Service]",
    "ExecStartPre=",
    "ExecStartPre=/usr/bin/ssh-keygen -A",
    "ExecStartPre=/usr/sbin/sshd -t",
)


@dataclass(frozen=True)
class Recipe:
    """What the image of one operating system is made of."""

    system: str
    suite: str
    packages: tuple[str, ...]
    excluded_paths: tuple[str, ...]
    masked_units: tuple[str, ...]
    certificates: tuple[Path, ...]
    extra_packages: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits over everything that decides what the image holds."""
        digest = hashlib.sha256(Path(__file__).read_bytes())
        digest.update(SYSTEMS_FILE.read_bytes())
        digest.update(" ".join(self.extra_packages).encode())
        for path in self.certificates:
            digest.update(path.read_bytes())
        return digest.hexdigest()[:12]


def cache_directory() -> Path:
    """`$XDG_CACHE_HOME/casa-install/images`, made when missing (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    directory = Path(base) / "casa-install" / "images"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def ensure_image(podman: Podman, system: str, packages: tuple[str, ...], *, report: Reporter) -> str:
    """The reference of the image for one operating system; built or imported first when it is not there.

    Args:
        podman: How to reach podman.
        system: A key of ``systems.yml``, for example ``debian-13``.
        packages: Packages beyond those of every machine.
        report: Told what takes long.

    Raises:
        CasaError: The system is not known, or the image cannot be made.
    """
    recipe = _recipe(system, packages)
    reference = f"localhost/casa-lab:{system}-{recipe.digest}"
    if podman.run("image", "exists", reference, check=False).returncode == 0:
        return reference
    tarball = cache_directory() / f"{system}-{recipe.digest}.tar"
    if not tarball.exists():
        report(f"making the {system} image from the distribution's packages (once, about a minute)")
        _build(recipe, tarball)
    podman.run(
        "import",
        *("--change", 'CMD ["/sbin/init"]'),
        *("--change", "STOPSIGNAL SIGRTMIN+3"),
        *("--change", "ENV container=podman"),
        str(tarball),
        reference,
        timeout=600,
    )
    return reference


def _recipe(system: str, packages: tuple[str, ...]) -> Recipe:
    data = yaml.safe_load(SYSTEMS_FILE.read_text(encoding="utf-8"))
    if system not in data["systems"]:
        known = ", ".join(sorted(data["systems"]))
        raise CasaError(
            f"the lab cannot make a machine of type `{system}` here (it can: {known})",
            hint="use one of these in `lab_os`, or any image with systemd and sshd: `lab up --image NAME`",
            exit_code=ExitCode.USAGE,
        )
    common, wanted = data["common"], data["systems"][system]
    return Recipe(
        system=system,
        suite=wanted["suite"],
        packages=(*common["packages"], *wanted.get("packages", ())),
        excluded_paths=tuple(common["excluded_paths"]),
        masked_units=tuple(common["masked_units"]),
        certificates=tuple(sorted(CA_DIRECTORY.glob("**/*.crt"))),
        extra_packages=packages,
    )


def _build(recipe: Recipe, tarball: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        raise CasaError(
            "mmdebstrap, which makes the machine image, is not installed",
            hint="apt-get install mmdebstrap; or another image: `lab up --image NAME`",
            exit_code=ExitCode.USAGE,
        )
    # Below the cache directory, so that the finished file is moved into place in one step.
    with tempfile.TemporaryDirectory(dir=tarball.parent, prefix=".build-") as work:
        partial = Path(work) / "image.tar"
        argv = [
            "mmdebstrap",
            "--quiet",
            "--variant=apt",
            f"--include={','.join((*recipe.packages, *recipe.extra_packages))}",
            '--aptopt=APT::Install-Recommends "false"',
            '--aptopt=Acquire::Languages "none"',
            *(f"--dpkgopt=path-exclude={path}" for path in recipe.excluded_paths),
            f"--customize-hook=mkdir -p $1{CA_DIRECTORY}",
            *(f"--customize-hook=copy-in {path} {CA_DIRECTORY}" for path in recipe.certificates),
            "--customize-hook=chroot $1 update-ca-certificates >/dev/null",
            *(f"--customize-hook=chroot $1 systemctl --quiet mask {unit}" for unit in recipe.masked_units),
            "--customize-hook=chroot $1 systemctl --quiet enable ssh.service",
            # Every machine makes host keys of its own at its first start, before sshd looks for them.
            f"--customize-hook=mkdir -p $1{SSHD_DROPIN.parent}",
            f"--customize-hook=printf '%s\\n' {' '.join(map(repr, HOST_KEYS_FIRST))} > $1{SSHD_DROPIN}",
            "--customize-hook=rm -f $1/etc/ssh/ssh_host_*_key*",
            "--customize-hook=rm -f $1/etc/machine-id",
            "--customize-hook=touch $1/etc/machine-id",
            recipe.suite,
            str(partial),
        ]
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode != 0:
            tail = "\n".join(done.stderr.strip().splitlines()[-8:])
            raise CasaError(
                f"mmdebstrap could not make the {recipe.system} image:\n{tail}",
                hint="it needs the distribution's package mirror; without one: `lab up --image NAME`",
            )
        partial.rename(tarball)
