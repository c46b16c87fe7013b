"""Installing packages starts no services and leaves nothing behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from lab import packages


def test_what_is_installed_is_told_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab.packages", "test"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "Packages for test: all installed.\n"


def test_what_is_missing_is_found() -> None:
    assert packages.missing(("coreutils", "no-such-package")) == ["no-such-package"]


def test_services_are_held_back_only_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(packages, "POLICY", policy)
    monkeypatch.setattr(packages, "_root", list)
    with packages.services_held_back():
        text = policy.read_text()
        assert subprocess.run([policy], check=False).returncode == 101  # noqa: S603
    assert not policy.exists()
    orphan = tmp_path / "orphan"
    orphan.write_text(text.replace("/proc/", "/nowhere/"))
    assert subprocess.run(["sh", orphan], check=False).returncode == 0  # noqa: S603, S607


def test_somebody_elses_policy_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    monkeypatch.setattr(packages, "POLICY", policy)
    with packages.services_held_back():
        pass
    assert policy.read_text() == "#!/bin/sh\nexit 101\n"
