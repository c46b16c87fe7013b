"""Programs of another Debian suite are fetched once, kept in the user's cache, and run there."""

import subprocess
from pathlib import Path

import pytest

from lab import suite
from lab.packages import FORKY
from lab.suite import Suite, SuiteError


def test_what_is_there_is_not_fetched_again() -> None:
    assert FORKY.tree.exists()
    assert not FORKY.prepare()


def test_a_program_runs_with_the_libraries_of_its_own_suite() -> None:
    done = subprocess.run(  # noqa: S603
        [*FORKY.command("usr/sbin/asterisk"), "-V"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Asterisk 2")


def test_other_packages_are_kept_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Suite("forky", ("a", "b")).tree == Suite("forky", ("b", "a")).tree
    assert Suite("forky", ("a",)).tree != Suite("forky", ("a", "b")).tree
    assert Suite("forky", ("a",)).tree.is_relative_to(tmp_path)


def test_what_cannot_be_fetched_leaves_nothing_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(suite, "mirror", lambda: "file:///nowhere")
    missing = Suite("nosuchsuite", ("asterisk",))
    with pytest.raises(SuiteError, match="nosuchsuite could not be fetched"):
        missing.prepare()
    with pytest.raises(SuiteError, match=r"python3 -m lab\.packages test"):
        missing.command("usr/sbin/asterisk")
    assert [file.name for file in suite.cache().iterdir()] == ["nosuchsuite.lock"]
