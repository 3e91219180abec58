"""Our reading of a type must be Ansible's own, because Ansible has the last word in the run."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.module_utils.common import validation
from hypothesis import given, settings
from hypothesis import strategies as st

from casa_install.site.argument_types import check_value, fits
from casa_install.site.findings import Place
from casa_install.site.specs import Option
from casa_install.site.values import ScalarValue
from casa_install.site.yaml_text import read_yaml

PLACE = Place(Path("x.yml"))
TYPES = ("str", "int", "bool", "float", "list", "dict", "path", "raw")

words = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["yes", "No", " on ", "off", "1", "0", "1.0", "t", "a=b", "a=b, c=d", "a=b c", "{", "{}", "[]"]
    ),
    st.sampled_from(
        ["1e3", "0x10", "nan", "inf", "1_000", "3.5", '{"a": 1}', "{'a': 1}", "{'a'}", "a=", "=b"]
    ),
)
scalars = st.one_of(words, st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(TYPES), scalars)
def test_scalars_fit_where_ansible_converts_them(wanted: str, data: object) -> None:
    try:
        getattr(validation, f"check_type_{wanted}")(data)
        converts = True
    except (TypeError, ValueError, OverflowError):
        converts = False
    if wanted == "dict" and isinstance(data, str) and converts:
        # Ansible hands on a JSON list as a "dict"; that is no mapping and stays a finding here.
        converts = isinstance(validation.check_type_dict(data), dict)
    assert fits(ScalarValue(PLACE, data), wanted) == converts


@pytest.mark.parametrize("wanted", TYPES)
def test_lists_and_mappings_fit_where_ansible_takes_them(wanted: str) -> None:
    for text, data in (("[1]", [1]), ("{a: 1}", {"a": 1})):
        value = read_yaml(text.encode(), PLACE.path).value
        assert value is not None
        try:
            getattr(validation, f"check_type_{wanted}")(data)
            converts = True
        except TypeError:
            converts = False
        assert fits(value, wanted) == converts


USER = Option(
    "users",
    type="list",
    elements="dict",
    options={
        "name": Option("name", required=True, description="Login name."),
        "uid": Option("uid", type="int"),
        "shell": Option("shell", choices=("/bin/sh", "/bin/bash")),
        "groups": Option("groups", type="list", elements="str", aliases=("group_names",)),
    },
)


def messages(text: str, option: Option, *, secret: bool = False) -> list[str]:
    value = read_yaml(text.encode(), PLACE.path, secret=secret).value
    assert value is not None
    return [f"{f.line}:{f.column} {f.message}" for f in check_value(option.name, value, option)]


def test_nested_options_are_checked_at_their_own_places() -> None:
    text = "- name: a\n  uid: ten\n- uid: 5\n  shel: /bin/sh\n"
    text += "- name: b\n  shell: /bin/bsh\n  group_names: [x, [y]]\n- c\n"
    assert messages(text, USER) == [
        "2:8 `users[0].uid` must be a whole number, found 'ten'",
        "4:3 `users[1]` has no key `shel`, did you mean `shell`?",
        "3:3 `users[1]` lacks its key `name`",
        "6:10 `users[2].shell` must be one of `/bin/sh`, `/bin/bash`, found '/bin/bsh',"
        " did you mean `/bin/bash`?",
        "8:3 `users[3]` must be a mapping, found 'c'",
    ]


def test_templates_and_vaulted_values_are_not_judged() -> None:
    number = Option("n", type="int")
    assert messages('"{{ a }}"', number) == []
    assert messages("'{% if a %}1{% endif %}'", number) == []
    assert messages("!vault |\n  abc", number) == []
    assert messages("!unsafe '{{ a }}'", Option("n")) == []


def test_bare_yes_is_taken_where_yes_is_a_choice() -> None:
    assert messages("yes", Option("n", choices=("yes", "no"))) == []
    assert messages("off", Option("n", choices=("on", "off", "auto"))) == []
    assert messages("maybe", Option("n", choices=("on", "off", "auto"))) != []


def test_null_is_the_default_unless_it_breaks_the_type() -> None:
    assert messages("~", Option("n", type="int")) == []
    assert messages("~", Option("n", has_default=True)) == []
    assert messages("~", Option("n", type="int", has_default=True)) == [
        "1:1 `n` is empty and must be a whole number"
    ]
    assert messages("~", Option("n", required=True)) == ["1:1 `n` is required and empty"]


def test_no_message_repeats_a_secret() -> None:
    for option in (Option("n", type="int"), Option("n", choices=("a",))):
        assert "hunter2" not in messages("hunter2", option, secret=True)[0]
        hidden = Option("n", type=option.type, choices=option.choices, secret=True)
        assert "hunter2" not in messages("hunter2", hidden)[0]


def test_a_huge_number_is_shown_in_hexadecimal() -> None:
    assert messages("0x" + "f" * 5000, Option("n", type="dict"))[0].endswith("...")
