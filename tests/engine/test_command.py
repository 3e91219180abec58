"""Secrets leave the command line before it is kept; the command that goes on is complete."""

import pytest

from casa_install.engine.command import again, extra_names, without_secrets


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-e", "a=1 b='two words'"], ["-e", "a=*** b=***"]),
        (["-ea=1"], ["-ea=***"]),
        (["--extra-vars=a=1"], ["--extra-vars=a=***"]),
        (["-e", '{"a": 1}'], ["-e", "***"]),
        (["-e", "@secrets.yml"], ["-e", "@secrets.yml"]),
        (["-e", "odd"], ["-e", "***"]),
        (["site.yml", "-i", "lab", "--ee"], ["site.yml", "-i", "lab", "--ee"]),
        (["--", "-e", "a=1"], ["--", "-e", "a=***"]),
    ],
)
def test_values_of_extra_variables_are_hidden(words, expected):
    assert without_secrets(words) == expected


def test_limit_is_replaced_and_stands_before_the_words_for_ansible():
    words = ["site.yml", "-l", "old", "--limit=older", "-lx", "--yes", "--", "--step"]
    assert again(words, limit=["a", "b"]) == "casa-install site.yml --yes -l a,b -- --step"
    assert again(["site.yml", "-l", "old"]) == "casa-install site.yml -l old"


def test_names_of_extra_variables_are_read_where_they_can_be(tmp_path):
    path = tmp_path / "vars.yml"
    path.write_text("from_file: 1\n")
    values = ["a=1 b=2", '{"c": 3}', f"@{path}", "@/no/such", "{broken"]
    assert extra_names(values) == {"a", "b", "c", "from_file"}
