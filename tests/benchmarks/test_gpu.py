"""benchmarks/gpu.py: what it makes of its measurements, and all of it on tiny networks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from histosyn.networks.table_costs import read_table_costs, tables_cost

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)


def test_constants_of_the_formula_are_found_again(tmp_path: Path) -> None:
    """Whatever layers were measured, and written and read as one."""
    from gpu_parts.fit import Timed, as_entry, fitted

    shares = [(0.02, 0.2), (0.1, 0.6), (0.5, 0.9), (1.0, 1.0)]
    layers = [
        Timed(shares=it, dense=seconds, tables=seconds * tables_cost(it, 128, (0.9, 40.0)))
        for it in shares for seconds in (0.001, 0.02)
    ]  # fmt: skip
    entry, facts = fitted(layers, "NVIDIA H200", "bfloat16")
    assert entry.costs == pytest.approx((0.9, 40.0))
    assert entry.deviation == facts["lost by its choices"] == 0
    # The largest layers alone are better off dense.
    assert facts["lost by tables alone"] > 0
    path = tmp_path / "table_costs.toml"
    path.write_text(as_entry(entry))
    assert read_table_costs(path).of("NVIDIA H200", "bfloat16") == entry


def test_what_is_done_is_not_done_again_on_the_same_machine(tmp_path: Path) -> None:
    from gpu_parts.bench import Part
    from gpu_parts.results import Results
    from gpu_parts.worker import Done

    def part(name: str) -> Part:
        return Part(name=name, title=name.upper(), seconds=1, work=lambda bench: iter(()))

    results = Results(tmp_path, {"device": "one"})
    row = {"case": "a|b", "s": 0.123456, "ok": False, "ratio": float("nan"), "none": None}
    results.keep(part("done"), Done(rows=[row, {"other": True}]))
    results.keep(part("killed"), Done(rows=[{"case": "half"}], error="killed after 60 s"))
    assert results.has(part("done"))
    assert not results.has(part("killed"))
    assert not results.has(part("never"))
    assert not Results(tmp_path, {"device": "another"}).has(part("done"))
    (tmp_path / "parts/done.json").write_text("{")
    assert not results.has(part("done"))

    results.keep(part("done"), Done(rows=[row, {"other": True}]))
    _, page = results.write([part("done"), part("killed")], "the command")
    text = page.read_text()
    assert "| case | s | ok | ratio | none | other |" in text
    assert "| a\\|b | 0.1235 | **no** |  |  |  |" in text
    assert "killed after 60 s" in text
    assert "| half |" in text


def test_cases_for_which_there_is_no_time_are_named() -> None:
    import torch
    from gpu_parts.bench import TOY, Bench, as_time_allows

    bench = Bench(device=torch.device("cpu"), scale=TOY, folder=Path("none"), seconds=100)

    def late() -> dict[str, object]:
        bench.seconds = 0
        return {"s": 1.0}

    def too_large() -> dict[str, object]:
        raise torch.cuda.OutOfMemoryError

    rows = list(as_time_allows(bench, {"a": too_large, "b": late, "c": late}))
    assert rows == [
        {"case": "a", "note": "out of memory"},
        {"case": "b", "s": 1.0},
        {"case": "c", "note": "left out: no time"},
    ]


# What a machine with PyTorch has, and what benchmarks/README.md says to carry there.
THERE = {"PIL", "cuda", "functorch", "jinja2", "markupsafe", "mpmath", "numpy", "pygments", "rich",
         "scipy", "sympy", "torch", "torchgen", "tqdm", "triton", "typing_extensions"}  # fmt: skip
CARRIED = {"braceexpand", "msgspec", "safetensors", "webdataset", "yaml"}
# Taken where they are, and not needed.
WELCOME = {"_distutils_hack", "charset_normalizer", "colorama", "markdown_it", "mdurl", "networkx",
           "fsspec", "filelock"}  # fmt: skip


@pytest.mark.slow
def test_it_imports_no_more_than_is_carried() -> None:
    code = """
import sys, gpu_parts.parts
files = [getattr(it, "__file__", None) or "" for it in list(sys.modules.values())]
inside = [file.split("site-packages/")[1] for file in files if "site-packages/" in file]
print(*{file.split("/")[0] for file in inside})
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True,
                         text=True, check=True)  # fmt: skip
    imported = {name.removesuffix(".py") for name in ran.stdout.split()}
    assert not {it for it in imported if it.isidentifier()} - THERE - CARRIED - WELCOME


@pytest.mark.slow
def test_all_of_it_on_tiny_networks(tmp_path: Path) -> None:
    """On the CPU, so that it works the day there is a GPU."""
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), str(tmp_path), "--toy"]
    ran = subprocess.run([*command, "--device", "cpu"], capture_output=True, text=True)
    log = (tmp_path / "log.txt").read_text(errors="replace")
    assert not ran.returncode, f"{ran.stdout}{ran.stderr}{log[-4000:]}"
    parts = {
        part["part"]: part for part in json.loads((tmp_path / "gpu.json").read_text())["parts"]
    }
    assert len(parts) >= 15
    assert all(part["rows"] for part in parts.values())
    wrong = [row for part in parts.values() for row in part["rows"] if row.get("ok") is False
             and row["case"] != "bfloat16 is native"]  # fmt: skip
    assert not wrong
    assert parts["recipe-3"]["rows"][0]["step"] == 6
    assert read_table_costs(tmp_path / "table_costs.toml").measured
    assert "## Training steps" in (tmp_path / "gpu.md").read_text()
    # What is there is not measured again.
    again = subprocess.run([*command, "--device", "cpu"], capture_output=True, text=True)
    assert "rows" not in again.stdout
