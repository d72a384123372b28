"""`examples/quickstart.ipynb` runs from top to bottom in an empty folder."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    # Of Jupyter's own packages.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]
NOTEBOOK = Path(__file__).parents[1] / "examples" / "quickstart.ipynb"


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert all(not cell.get("outputs") for cell in cells)


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient", reason="nbclient, of the extra `dev`, is absent")
    nbformat = pytest.importorskip("nbformat", reason="nbformat, of the extra `dev`, is absent")
    pytest.importorskip("ipykernel", reason="ipykernel, of the extra `dev`, is absent")
    pytest.importorskip("matplotlib", reason="the extra `report` is absent")
    # `histosyn` of this environment, which need not be activated.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    assert len(list((tmp_path / "tissue").glob("*.png"))) > 1
    told = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert "'frechet_distance'" in told[-1]["data"]["text/plain"]
    assert sum("image/png" in output.get("data", {}) for output in told) == 3
