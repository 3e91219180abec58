#!/usr/bin/python
# The host's side of casa_state: thin, the work is in module_utils/casa_state.

from __future__ import annotations

DOCUMENTATION = r"""
module: casa_state
short_description: Makes a host match the desired state of a role
description:
  - A role's C(state.yml) says what should be on a host. This task renders it for the host, looks at the host
    with one read-only script, and changes only what differs.
  - It looks at C(casa_maintenance), a variable. Where it is true, units are left alone.
options:
  role_path:
    description: The role's directory, with C(state.yml) in it. The role that the task is in, by default.
    type: path
  remove:
    description: Play the role's receipt backwards instead.
    type: bool
    default: false
  settle:
    description: Clear the records of owed handlers that the service proves. Meant for a last handler.
    type: bool
    default: false
  directory:
    description: Where receipts and saved copies are kept on the host.
    type: path
    default: /etc/casa-install
  batch:
    description: What the action plugin sends; not for people.
    type: str
attributes:
  check_mode:
    description: Supported.
    support: full
author: casa-install
"""

EXAMPLES = r"""
- name: Ensure the desired state of HTCondor
  casa.install.casa_state:
  register: htcondor_state

- name: Pass on what the change calls for
  ansible.builtin.debug:
    msg: "{{ htcondor_state.notify }}"
  changed_when: true
  when: htcondor_state.notify | length > 0
  notify: "{{ htcondor_state.notify }}"
"""

RETURN = r"""
differences:
  description: What differed, each with kind, name, phase, verdict, text, details.
  type: list
  returned: always
notify:
  description: Handlers to notify.
  type: list
  returned: always
needs_drain:
  description: Handlers that would kill users' work and are therefore not notified.
  type: list
  returned: always
owed:
  description: Names of the checks whose imperative step is owed.
  type: list
  returned: always
"""

import json

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.casa_state.errors import HostError
from ..module_utils.casa_state.platform import HostPaths
from ..module_utils.casa_state.serve import serve


class AnsiblePlatform:
    """Lends AnsibleModule's mover, labels and program runner to the engine."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module

    def move(self, source: str, target: str) -> None:
        # Attributes were set on the source already, so that a secret never has the old file's mode.
        self.module.atomic_move(source, target, keep_dest_attrs=False)

    def label(self, path: str) -> None:
        if self.module.selinux_enabled():
            self.module.set_default_selinux_context(path, False)

    def run(self, argv: list[str]) -> tuple[int, str]:
        try:
            status, output, errors = self.module.run_command(
                argv,
                environ_update={"LC_ALL": "C", "LANGUAGE": "C"},
                expand_user_and_vars=False,
                handle_exceptions=False,
            )
        except FileNotFoundError:
            return 127, f"{argv[0]}: not found"
        return status, output + errors


def main() -> None:
    # One opaque string: Ansible neither logs it nor looks for its parts in the results.
    # The controller sends nothing in check mode but questions.
    arguments = {"batch": {"type": "str", "required": True, "no_log": True}}
    module = AnsibleModule(arguments, supports_check_mode=True)
    document = json.loads(module.params["batch"])
    paths = HostPaths(base=document["base"])
    try:
        result = serve(document, AnsiblePlatform(module), paths)
    except HostError as fault:
        module.fail_json(msg=fault.message, hint=fault.hint)
    except OSError as fault:
        module.fail_json(msg=f"the host refused: {fault}", hint="")
    module.exit_json(changed=bool(result.get("done")), **result)


if __name__ == "__main__":
    main()
