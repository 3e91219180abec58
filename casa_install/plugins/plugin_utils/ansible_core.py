"""Every call into ansible-core that is not documented as stable, in one place.

Supported is ansible-core >= 2.19, < 2.22, and the tests run on the lowest and the highest. What is used
beyond its documentation: attributes and underscore methods of ActionBase, its shell plugin's temporary
directory, `Templar.copy_with_new_env`, `DataLoader.load_from_file(trusted_as_template=)`, a task's role,
where templates are compiled, and the tags by which Ansible knows where a value stands.
"""

from __future__ import annotations

import json
import secrets
from collections import ChainMap
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible import constants
from ansible._internal._datatag._tags import Origin, VaultedValue
from ansible._internal._templating._jinja_bits import AnsibleEnvironment, _TemplateCompileContext
from ansible.errors import AnsibleError, AnsibleUndefinedVariable
from ansible.parsing.vault import EncryptedString
from ansible.template import trust_as_template

from casa_install.errors import CasaError
from casa_install.site.vault import is_vaulted
from casa_install.state.renderer import RenderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible.plugins.action import ActionBase
    from ansible.template import Templar

_ENGINE = "casa.install.casa_state"


@contextmanager
def compiled_once() -> Iterator[None]:
    """Compile each template source once, while this lasts.

    ansible-core compiles every template and every variable that holds one anew at each use, which is most of
    the time that rendering takes. Compiling depends on the source, the environment's syntax options and the
    handling of backslashes alone; those are the key.
    """
    compiled: dict[tuple[object, ...], Any] = {}
    inherited = AnsibleEnvironment.compile

    def compile_once(
        self: Any, source: Any, name: Any = None, filename: Any = None, raw: bool = False, **options: Any
    ) -> Any:
        if raw or options or not isinstance(source, str):
            return inherited(self, source, name, filename, raw, **options)
        context = _TemplateCompileContext.current(optional=True)
        syntax = (getattr(self, option) for option in _SYNTAX)
        key = (source, name, filename, context and context.escape_backslashes, *syntax)
        if key not in compiled:
            compiled[key] = inherited(self, source, name, filename, raw)
        return compiled[key]

    own = "compile" in vars(AnsibleEnvironment)
    AnsibleEnvironment.compile = compile_once
    try:
        yield
    finally:
        if own:
            AnsibleEnvironment.compile = inherited
        else:
            del AnsibleEnvironment.compile


_SYNTAX = (
    "block_start_string",
    "block_end_string",
    "variable_start_string",
    "variable_end_string",
    "comment_start_string",
    "comment_end_string",
    "line_statement_prefix",
    "line_comment_prefix",
    "trim_blocks",
    "lstrip_blocks",
    "newline_sequence",
    "keep_trailing_newline",
)


class CoreRenderer:
    """Renders with Ansible's own templating, for one host."""

    def __init__(self, action: ActionBase, variables: Mapping[str, Any]) -> None:
        self._action = action
        self._variables = variables
        self._templar: Templar = action._templar.copy_with_new_env(available_variables=variables)

    def value(self, template: str) -> Any:
        # In a mapping, as a template that gives `omit` is an error by itself and left out of one.
        rendered = _guard(lambda: self._templar.template({"value": trust_as_template(template)}))
        return plain(rendered.get("value"))

    def truth(self, condition: str) -> bool:
        return bool(_guard(lambda: self._templar.evaluate_conditional(trust_as_template(condition))))

    def template(self, path: Path) -> str:
        """Render a file as ansible.builtin.template does with its default options."""
        variables = dict(self._variables)
        variables.setdefault("ansible_managed", constants.config.get_config_value("DEFAULT_MANAGED_STR"))
        folders = [str(path.parent), str(path.parent.parent)]
        templar = self._action._templar.copy_with_new_env(searchpath=folders, available_variables=variables)
        text = trust_as_template(path.read_text(encoding="utf-8"))
        overrides = {"trim_blocks": True, "lstrip_blocks": False, "newline_sequence": "\n"}
        rendered = _guard(lambda: templar.template(text, escape_backslashes=False, overrides=overrides))
        return "" if rendered is None else str(rendered)

    def load_variables(self, path: Path) -> Mapping[str, Any]:
        loaded = _guard(
            lambda: self._action._loader.load_from_file(str(path), cache="none", trusted_as_template=True)
        )
        if not isinstance(loaded, dict):
            raise RenderError(f"{path} must be a mapping")
        return loaded

    def with_variables(self, variables: Mapping[str, Any]) -> CoreRenderer:
        return CoreRenderer(self._action, ChainMap(dict(variables), dict(self._variables)))


def _guard(render: Any) -> Any:
    try:
        return render()
    except AnsibleUndefinedVariable as fault:
        raise RenderError(str(fault.message)) from fault
    except AnsibleError as fault:
        raise RenderError(str(fault.message), public=False) from fault
    except (UnicodeDecodeError, OSError) as fault:
        raise RenderError(str(fault)) from fault


def plain(value: Any) -> Any:
    """Take Ansible's tags off: what is rendered is data, and never a template again."""
    if isinstance(value, str):
        return "".join(value)
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


class CoreHost:
    """The host of a task, reached as its other tasks reach it.

    What it puts on the host lies in the task's temporary directory, which the executor removes.
    """

    def __init__(self, action: ActionBase, task_vars: dict[str, Any]) -> None:
        self._action = action
        self._task_vars = task_vars

    def probe(self, script: str) -> bytes:
        """Run the script on standard input, or where the connection cannot, from a private file."""
        action = self._action
        if action._connection.is_pipelining_enabled(wrap_async=False):
            done = action._low_level_execute_command("/bin/sh -s", in_data=script.encode("utf-8"))
        else:
            path = self._temporary("probe.sh")
            action._transfer_data(path, script)
            action._fixup_perms2([action._connection._shell.tmpdir, path])
            done = action._low_level_execute_command(f"/bin/sh {action._connection._shell.quote(path)}")
        output: str = done["stdout"]
        if done["rc"] != 0 and not output:
            raise CasaError(f"the host could not be looked at: {done['stderr'].strip() or 'no answer'}")
        return output.encode("utf-8", "surrogateescape")

    def engine(self, document: dict[str, Any]) -> dict[str, Any]:
        return self._execute(_ENGINE, {"batch": json.dumps(document)})

    def module(self, name: str, arguments: dict[str, Any]) -> bool:
        return bool(self._execute(name, arguments).get("changed"))

    def stage(self, path: Path) -> str:
        remote = self._temporary(f"file-{secrets.token_hex(4)}")
        self._action._transfer_file(str(path), remote)
        self._action._fixup_perms2([self._action._connection._shell.tmpdir, remote])
        return remote

    def _temporary(self, name: str) -> str:
        shell = self._action._connection._shell
        if shell.tmpdir is None:
            self._action._make_tmp_path()
        path: str = shell.join_path(shell.tmpdir, name)
        return path

    def _execute(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = self._action._execute_module(
            module_name=name, module_args=arguments, task_vars=self._task_vars
        )
        if result.get("failed"):
            message = str(result.get("msg") or "no reason given")
            errors = str(result.get("stderr") or result.get("module_stderr") or "").strip()
            prefix = "" if name == _ENGINE else f"{name}: "
            raise CasaError(
                f"{prefix}{message}" + (f"\n{errors[-2000:]}" if errors and errors not in message else ""),
                hint=str(result.get("hint") or ""),
            )
        return result


def role_directory(action: ActionBase) -> Path | None:
    """Return the directory of the role that a task stands in."""
    role = action._task._role
    return (
        None
        if role is None
        else Path(role.get_role_path() if hasattr(role, "get_role_path") else role._role_path)
    )


def refusal(action: ActionBase) -> str:
    """Say why the task's keywords do not go with casa_state; empty where they do."""
    task = action._task
    if task.loop is not None or task.loop_with:
        return "casa_state takes no loop: put `each:` on the resources in state.yml"
    if task.delegate_to:
        return "casa_state takes no delegate_to: it changes the host it is rendered for"
    if task.async_val:
        return "casa_state takes no async: it must know when the host is done"
    return ""


def secret_variable(action: ActionBase, variables: Mapping[str, Any], name: str) -> str:
    """Return a variable that must not stand in clear text in any file of the site.

    It may be encrypted itself, stand in an encrypted file, or be a template that looks it up elsewhere.

    Raises:
        CasaError: It stands in clear text.
    """
    raw = variables.get(name, "")
    hidden = isinstance(raw, EncryptedString) or VaultedValue.is_tagged_on(raw)
    looked_up = isinstance(raw, str) and "{{" in raw
    if raw and not hidden and not looked_up:
        file = _file_of(raw)
        if file is None or not is_vaulted(file.read_bytes()):
            raise CasaError(
                f"`{name}` stands in clear text in {file or 'the inventory'}.",
                hint=f"encrypt it: `ansible-vault encrypt {file or 'FILE'}`; "
                "if others could read the file, make a new one",
            )
    return str(plain(_guard(lambda: action._templar.template(raw))))


def _file_of(value: Any) -> Path | None:
    """Return the file of the inventory that a value stands in."""
    origin = Origin.get_tag(value)
    path = Path(origin.path) if origin is not None and origin.path else None
    return path if path is not None and path.is_file() else None
