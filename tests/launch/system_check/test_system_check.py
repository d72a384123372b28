"""`histosyn doctor --system`: the command, and what is installed."""

import json
import os
import subprocess
import sys

import pytest

import launch.system_check as command
from hpc.errors import HistosynError, InputError
from launch.system_check import software
from launch.system_check.outcome import Check, absent, failure, ok, warning
from launch.terminal.console import console

SHOW = """
import sys
from pathlib import Path
from hpc.errors import HistosynError
from launch.system_check import show_system
try:
    show_system(shared=Path(sys.argv[1]), json=Path(sys.argv[1], "system.json"))
except HistosynError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def show_system(shared, **environment):
    """The whole command in a process of its own; its result and its JSON."""
    run = subprocess.run(
        [sys.executable, "-P", "-c", SHOW, str(shared)],
        env=os.environ | environment,
        cwd=shared,
        capture_output=True,
        text=True,
        check=False,
    )
    return run, json.loads((shared / "system.json").read_text())


def fake_module(folder, name, text):
    (folder / f"{name}.py").write_text(text)
    return str(folder)


def broken():
    raise OSError("libfoo.so: cannot open\nand forty more lines")


def test_everything_is_looked_at(tmp_path):
    run, found = show_system(tmp_path, PATH="/nowhere", OMP_NUM_THREADS="1")
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr
    assert found["kind"] == "system"
    assert found["ready"] is True
    assert found["inputs"] == {"shared": str(tmp_path)}
    statuses = {check["name"]: check["status"] for check in found["checks"]}
    assert all(f" {name} " in run.stdout for name in statuses)
    assert all(f"checking {name} …" in run.stderr for name in statuses)
    for name in ("versions", "package names", "packages", "torch", "gloo", "place",
                 "shared files", "shared locks"):  # fmt: skip
        assert statuses[name] == "ok", found
    assert statuses["SLURM"] == statuses["SLURM job"] == "absent"
    assert [path.name for path in tmp_path.iterdir()] == ["system.json"]


def test_a_torch_that_cannot_be_imported_is_a_finding(tmp_path):
    hidden = tmp_path / "broken"
    hidden.mkdir()
    path = fake_module(hidden, "torch", 'raise ImportError("libtorch_cpu.so: no such file")')
    run, found = show_system(tmp_path, PYTHONPATH=path)
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert "HistosynError: " in run.stderr
    assert found["ready"] is False
    rows = {check["name"]: check for check in found["checks"]}
    for name in ("torch", "cores", "GPUs", "NCCL", "gloo", "Inception"):
        assert rows[name]["status"] == "error"
        assert name in run.stderr.splitlines()[-1]
    assert "libtorch_cpu.so" in rows["torch"]["detail"]
    assert "constraints.txt" in rows["torch"]["remedy"]
    assert rows["shared files"]["status"] == "ok"


def test_nothing_heavy_is_imported_before_a_check_runs():
    code = "import sys, launch.system_check; print({'torch', 'ray'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


@pytest.fixture
def checks(monkeypatch):
    """Four checks of which one breaks and one fails."""
    looks = {
        "sound": lambda: ok("1.2 of 3"),
        "odd": lambda: warning("little", "Get more."),
        "missing": lambda: absent("not there", "Fetch it."),
        "broken": broken,
        "failed": lambda: failure("wrong [sum]", "Ask."),
    }
    made = tuple(Check(name=n, look=look, remedy="Install again.") for n, look in looks.items())
    monkeypatch.setattr(command, "system_checks", lambda shared: made)
    return made


def test_errors_are_named_and_the_others_are_shown(checks, capsys):
    with pytest.raises(HistosynError, match=r"2 of 5 checks failed: broken, failed\.") as info:
        command.show_system()
    assert info.value.exit_code == 1
    shown = capsys.readouterr().out
    for text in ("1.2 of 3", "Get more.", "Fetch it.", "wrong [sum]", "Install again.",
                 "OSError: libfoo.so: cannot open"):  # fmt: skip
        assert text in shown
    assert "forty more lines" not in shown


def test_warnings_and_what_is_absent_do_not_hinder(checks, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "system_checks", lambda shared: checks[:3])
    command.show_system(json=tmp_path / "new" / "found.json")
    found = json.loads((tmp_path / "new" / "found.json").read_text())
    assert found["ready"] is True
    assert found["checks"][1] == {
        "name": "odd", "status": "warning", "detail": "little", "remedy": "Get more.",
    }  # fmt: skip


def test_the_json_is_there_even_if_nobody_reads_the_table(checks, monkeypatch, tmp_path):
    def closed(*, stderr=False):
        if stderr:
            return console(stderr=True)
        raise BrokenPipeError

    monkeypatch.setattr(command, "console", closed)
    with pytest.raises(BrokenPipeError):
        command.show_system(json=tmp_path / "found.json")
    assert json.loads((tmp_path / "found.json").read_text())["ready"] is False


def test_a_json_that_cannot_be_written_is_told_first(tmp_path):
    with pytest.raises(InputError, match="--json"):
        command.show_system(json=tmp_path)


def test_histosyn_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(software, "_DISTRIBUTION", "no-such-distribution")
    assert software.versions().status == "error"
    assert "Install it from its clone" in software.versions().remedy


def test_packages_that_are_missing_are_named(monkeypatch):
    needed = ["rich>=13", "no-such-package>=1", 'optional>=2; extra == "fid"']
    monkeypatch.setattr(software, "requires", lambda name: needed)
    outcome = software.packages()
    assert (outcome.status, outcome.detail) == ("error", "not installed: no-such-package")


def test_a_users_file_that_hides_a_package_is_named(tmp_path):
    fake_module(tmp_path, "eval", "")
    code = "from launch.system_check.software import package_names as p; print(p())"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "status='error'" in run.stdout
    assert f"hidden by {tmp_path / 'eval.py'}" in run.stdout
    assert "remedy='Rename that file" in run.stdout


def test_ray_is_optional_but_must_not_be_broken(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    outcome = software.ray()
    assert outcome.status == "absent"
    assert "[tune]" in outcome.remedy
    monkeypatch.delitem(sys.modules, "ray")
    monkeypatch.syspath_prepend(fake_module(tmp_path, "ray", "import no_part_of_ray"))
    outcome = Check(name="ray", look=software.ray, remedy="Again.").run()
    assert (outcome.status, outcome.remedy) == ("error", "Again.")
    assert "no_part_of_ray" in outcome.detail


def test_inception(monkeypatch, tmp_path):
    pytest.importorskip("pytorch_fid", reason="needs the extra `fid`")
    check = Check(name="Inception", look=software.inception_weights, remedy="")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    outcome = check.run()
    assert outcome.status == "absent"
    assert outcome.remedy.startswith("Fetch pt_inception-2015-12-05-6726825d.pth")
    monkeypatch.setenv("HISTOSYN_INCEPTION_WEIGHTS", str(tmp_path / "none.pth"))
    assert check.run().status == "warning"
    damaged = tmp_path / "pt_inception-2015-12-05-6726825d.pth"
    damaged.write_bytes(b"half a file")
    monkeypatch.setenv("HISTOSYN_INCEPTION_WEIGHTS", str(damaged))
    outcome = check.run()
    assert outcome.status == "error"
    assert "damaged or altered" in outcome.detail
    monkeypatch.setitem(sys.modules, "pytorch_fid.inception", None)
    assert "[fid]" in check.run().remedy
