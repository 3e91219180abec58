"""Two small container images for pods, made from the distribution's packages: a lab needs no registry.

``localhost/casa-lab/pause:1`` holds a pod's namespaces; ``localhost/casa-lab/test:1`` has a shell and
the usual programs for a look at a network (busybox).
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from casa_install.errors import CasaError
from casa_install.lab.image import cache_directory

if TYPE_CHECKING:
    from casa_install.lab.image import Reporter

SUITE = "trixie"
PACKAGES = ("busybox-static", "catatonit")
"""Both programs are linked statically, so an image needs no library."""

PAUSE_IMAGE = "localhost/casa-lab/pause:1"
TEST_IMAGE = "localhost/casa-lab/test:1"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"


def ensure_node_images(*, report: Reporter) -> Path:
    """An archive with both images, as k3s and ``ctr images import`` take it; made when the cache has none.

    Args:
        report: Told what takes long.

    Raises:
        CasaError: The packages cannot be had.
    """
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    archive = cache_directory() / f"node-images-{digest}.tar"
    if archive.exists():
        return archive
    report("making container images for pods from the distribution's packages (once, a few seconds)")
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".build-") as work:
        tree = _extracted(Path(work))
        busybox = tree / "usr/bin/busybox"
        listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
        partial = Path(work) / archive.name
        write_archive(
            partial,
            pause=(tree / "usr/bin/catatonit").read_bytes(),
            busybox=busybox.read_bytes(),
            applets=listed.stdout.split(),
            architecture=ARCHITECTURES.get(platform.machine(), platform.machine()),
        )
        partial.rename(archive)
    return archive


def _extracted(work: Path) -> Path:
    """A directory into which the packages were unpacked; none of their scripts ran."""
    tree = work / "tree"
    argv = [
        *("mmdebstrap", "--quiet", "--variant=extract", "--format=directory"),
        f"--include={','.join(PACKAGES)}",
        *(SUITE, str(tree)),
    ]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    except FileNotFoundError as error:
        raise CasaError(
            "mmdebstrap, which fetches the programs of pods' images, is not installed",
            hint="apt-get install mmdebstrap",
        ) from error
    if done.returncode != 0:
        tail = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise CasaError(
            f"the packages {', '.join(PACKAGES)} for pods' images cannot be had:\n{tail}",
            hint="mmdebstrap needs the distribution's package mirror",
        )
    return tree


def write_archive(
    target: Path, *, pause: bytes, busybox: bytes, applets: list[str], architecture: str
) -> None:
    """Write both images in the format of ``docker save``; the same content gives the same bytes.

    Args:
        target: The file.
        pause: catatonit, the program of the pause image.
        busybox: The program of the test image.
        applets: Names under which busybox is another program.
        architecture: As OCI image configurations name it (Go's GOARCH).
    """
    pause_layer = _layer({"pause": pause}, {}, [])
    links = {f"bin/{name}": "busybox" for name in sorted(applets) if name != "busybox"}
    test_layer = _layer(
        {"bin/busybox": busybox, "etc/passwd": ACCOUNTS.encode()}, links, ["bin", "etc", "root", "tmp"]
    )
    with tarfile.open(target, "w") as archive:
        manifest = [
            _add_image(archive, PAUSE_IMAGE, pause_layer, architecture, {"Entrypoint": ["/pause", "-P"]}),
            _add_image(archive, TEST_IMAGE, test_layer, architecture, {"Cmd": ["/bin/sh"]}),
        ]
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def _add_image(
    archive: tarfile.TarFile, reference: str, layer: bytes, architecture: str, config: dict[str, Any]
) -> dict[str, Any]:
    """Add configuration and layer of an image; its entry for the manifest."""
    digest = hashlib.sha256(layer).hexdigest()
    content = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {"Env": ["PATH=/bin"], **config},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created": "1970-01-01T00:00:00Z"}],
        }
    ).encode()
    name = f"{hashlib.sha256(content).hexdigest()}.json"
    _add(archive, name, content)
    _add(archive, f"{digest}/layer.tar", layer)
    return {"Config": name, "RepoTags": [reference], "Layers": [f"{digest}/layer.tar"]}


def _layer(files: dict[str, bytes], links: dict[str, str], directories: list[str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for name in directories:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            layer.addfile(entry)
        for name, content in files.items():
            _add(layer, name, content, 0o644 if name.startswith("etc/") else 0o755)
        for name, target in links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            layer.addfile(entry)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))
