"""casa_artifact: has a release's files on the controller. Thin; the work is in `casa_install.artifacts`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.plugins.action import ActionBase
from ansible_collections.casa.install.plugins.plugin_utils.ansible_core import plain

from casa_install.artifacts.pins import component
from casa_install.artifacts.places import site_sources
from casa_install.artifacts.resolve import Resolver
from casa_install.errors import CasaError

if TYPE_CHECKING:
    from casa_install.artifacts.found import Found

_ARGUMENTS = {
    "component": {"type": "str"},
    "version": {"type": "str", "default": ""},
    "files": {"type": "list", "elements": "str"},
    "arch": {"type": "str"},
    "archives": {"type": "list", "elements": "str"},
}
_SITE = ("site_artifact_bundle", "site_artifact_mirror", "site_artifact_digests")


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = False
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _, arguments = self.validate_argument_spec(
            _ARGUMENTS,
            mutually_exclusive=[("component", "archives")],
            required_one_of=[("component", "archives")],
            required_together=[("component", "files", "arch")],
        )
        notes: list[str] = []
        # What is fetched lies in the controller's cache, where it changes no host.
        result.update(changed=False, notes=notes)
        try:
            # Read here and never a task's argument: a mirror's address may hold a password.
            site = {name: plain(self._templar.template(variables.get(name, ""))) for name in _SITE}
            resolver = Resolver(
                site_sources(site), tell=self._teller(notes), look_only=bool(self._task.check_mode)
            )
            if arguments["archives"]:
                result.update(unpacked=[name for name in arguments["archives"] if resolver.unpack(name)])
                return result
            version = arguments["version"] or component(arguments["component"]).version
            found = resolver.resolve(arguments["component"], version, arguments["arch"], arguments["files"])
        except CasaError as fault:
            result.update(failed=True, msg=f"{fault}\nHint: {fault.hint}" if fault.hint else str(fault))
            return result
        result.update(version=version, files={name: _shown(one) for name, one in found.items()})
        return result

    def _teller(self, notes: list[str]) -> Any:
        def tell(text: str) -> None:
            notes.append(text)
            self._display.display(f"casa_artifact: {text}")

        return tell


def _shown(found: Found) -> dict[str, Any]:
    return {
        "name": found.artifact.name,
        "path": str(found.path),
        "sha256": found.sha256,
        "size": found.size,
        "source": found.source,
        "present": found.present,
        "would": found.would,
    }
