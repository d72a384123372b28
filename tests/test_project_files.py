"""Files that other programs read: citation, templates, recipes, the portal's app."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from launch.cli import build_app

ROOT = Path(__file__).parents[1]
PORTAL = ROOT / "examples" / "ondemand"
yaml = pytest.importorskip("yaml", reason="PyYAML comes with Ray, the extra `tune`")


def loaded(path: str) -> dict:
    return yaml.safe_load((ROOT / path).read_text("utf-8"))


def test_the_citation_names_this_version_and_the_paper() -> None:
    cited = loaded("CITATION.cff")
    assert cited["version"] == version("histosyn")
    (paper,) = cited["references"]
    assert paper["authors"][0]["family-names"] == "Falahkheirkhah"
    assert (paper["volume"], paper["year"], paper["start"]) == (103, 2023, 100006)


@pytest.mark.parametrize("name", ["fault", "wish"])
def test_issue_templates_ask_for_what_doctor_says(name: str) -> None:
    form = loaded(f".github/ISSUE_TEMPLATE/{name}.yml")
    (system,) = [item for item in form["body"] if item.get("id") == "system"]
    assert "histosyn doctor --system" in system["attributes"]["label"]


def test_the_workflow_calls_the_makefile() -> None:
    jobs = loaded(".github/workflows/ci.yml")["jobs"]
    lines = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    made = [line.removeprefix("make ") for line in lines if line.startswith("make ")]
    assert set(made) <= set(targets)
    assert all(line.startswith("make ") or line.endswith(".ci/run") for line in lines)


def test_hooks_are_programs_of_the_environment() -> None:
    (local,) = loaded(".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local"
    assert all(hook["entry"].startswith(".venv/bin/") for hook in local["hooks"])


@pytest.mark.parametrize("name", ["Dockerfile", "histosyn.def"])
def test_recipes_install_the_wheel_by_the_constraints(name: str) -> None:
    text = (ROOT / "launch" / "templates" / name).read_text("utf-8")
    assert "make wheel" in text
    assert ".whl)[all]" in text
    assert "--constraint /" in text
    assert "PYTHONSAFEPATH=1" in text


def test_the_portal_calls_paint_with_options_that_there_are() -> None:
    script = (PORTAL / "template" / "script.sh.erb").read_text("utf-8")
    call = script[script.index("histosyn paint") :]
    app = build_app(["paint"])
    _, apps, _ = app.parse_commands(["paint"])
    with app.app_stack(apps):
        names = {name for item in apps[-1].assemble_argument_collection() for name in item.names}
    assert set(re.findall(r"--[\w-]+", call)) <= names


def test_the_portal_asks_for_what_its_script_uses() -> None:
    form = yaml.safe_load((PORTAL / "form.yml").read_text("utf-8"))
    used = set(re.findall(r"context\.(\w+)", (PORTAL / "template/script.sh.erb").read_text()))
    assert used <= set(form["form"])
    assert set(form["attributes"]) <= set(form["form"])


def test_the_token_is_found_in_what_paint_prints() -> None:
    from histosyn.paint.address import listen_on_port

    with listen_on_port(0, "a-Token_1") as endpoint:
        told = f"Paint at   {endpoint.url}\n"
    pattern = re.search(r"s/(.*)/\\1/p", (PORTAL / "template/after.sh.erb").read_text())[1]
    sed = ["sed", "-n", rf"s/{pattern}/\1/p"]
    assert subprocess.run(sed, input=told, capture_output=True, text=True).stdout == "a-Token_1\n"


def test_the_forwarder_passes_on_what_it_gets(tmp_path: Path) -> None:
    path = tmp_path / "paint.sock"
    with socket.socket(socket.AF_UNIX) as server, socket.create_server(("127.0.0.1", 0)) as free:
        server.bind(str(path))
        server.listen()
        port = free.getsockname()[1]
        free.close()

        def echo() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(connection.recv(100)[::-1])

        threading.Thread(target=echo, daemon=True).start()
        forward = str(PORTAL / "template" / "forward.py")
        with subprocess.Popen([sys.executable, forward, "127.0.0.1", str(port), str(path)]) as run:
            try:
                with connected(port) as client:
                    client.sendall(b"abc")
                    client.settimeout(20)
                    assert client.recv(100) == b"cba"
            finally:
                run.terminate()


def connected(port: int) -> socket.socket:
    """To a server that is on its way."""
    end = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
