"""Whatever stands in a site's files, the check ends with findings and never with an exception."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from casa_install.site.check import check_site
from casa_install.site.vault import VaultPassword

PIECES = st.sampled_from([
    "all:", "hosts:", "children:", "vars:", "condor_manager", "site_name", "htcondor_settings_extra",
    "\n", "\n  ", "\n    ", "\t", ": ", "- ", "[", "]", "{", "}", "{{ x }}", "&a ", "*a", "<<: *a",
    "!vault ", "!!int ", "!!set ", "!!binary ", "!unsafe ", "? ", "|\n", ">\n", "'", '"', "#", "---\n",
    "...\n", "%YAML 9.9\n", "ep[1:3]", "a=b ", "[g:children]\n", "[g:vars]\n", "[g]\n", "0x", "1:99:99",
    "2024-13-45", "\ufeff", "\x00", "é", "😀", ".inf", ".nan", "~", "=", "1e999", "9" * 5000, "CHANGEME",
    "plugin: x", "$ANSIBLE_VAULT;1.1;AES256\n", "\\",
])  # fmt: skip
NAMES = st.sampled_from([
    "hosts", "hosts.yml", "hosts.ini", "hosts.json", "group_vars/all.yml", "host_vars/ep1",
    "group_vars/all/vault.yml", "hooks/apply/pre.d/1.yml",
])  # fmt: skip
CONTENTS = st.one_of(
    st.binary(max_size=200), st.lists(PIECES, max_size=40).map(lambda parts: "".join(parts).encode())
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(NAMES, CONTENTS, min_size=1, max_size=4), st.booleans())
def test_no_content_raises(files: dict[str, bytes], vault: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        written = set[str]()
        for name, content in files.items():
            path = Path(folder, name)
            if name == "group_vars/all/vault.yml" and "group_vars/all" in written:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            written.add(name)
        passwords = [VaultPassword("default", b"x")] if vault else []
        report = check_site([Path(folder)], vault_passwords=passwords)
        for finding in report.findings:
            assert finding.line >= 1
            assert finding.column >= 1
            assert str(finding).isprintable()
            assert finding.hint.isprintable()
        report.as_json()
