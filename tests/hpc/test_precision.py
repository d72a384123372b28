"""What a device computes natively, and what `auto` stands for there."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from ranks import run_ranks

from hpc import precision
from hpc.collectives import rank
from hpc.precision import bfloat16_factor, computes_bfloat16, processor, settled

CPU = torch.device("cpu")
ZEN_3 = {"architecture": "x86_64", "cpu_name": "Zen 3", "avx2": True}
ZEN_4 = ZEN_3 | {"cpu_name": "Zen 4", "avx512_f": True, "avx512_bf16": True}
SAPPHIRE = ZEN_4 | {"amx_bf16": True}
SKYLAKE = ZEN_3 | {"cpu_name": "Skylake-X", "avx512_f": True}
GRAVITON = {"architecture": "aarch64"}


@pytest.fixture(autouse=True)
def said(caplog, monkeypatch):
    """What was said; nothing holds torch to older instructions, and nothing was said before."""
    for name in precision._CAPS:
        monkeypatch.delenv(name, raising=False)
    precision._warn_once.cache_clear()
    caplog.set_level(logging.INFO, logger=precision.logger.name)
    return caplog


def make_processor(monkeypatch, able, supported):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    ops = SimpleNamespace(mkldnn=SimpleNamespace(_is_mkldnn_bf16_supported=lambda: supported))
    monkeypatch.setattr(torch, "ops", ops)


@pytest.mark.parametrize(
    ("able", "supported", "cap", "native"),
    [
        (ZEN_3, False, None, False),
        (ZEN_4, True, None, True),
        (SAPPHIRE, True, None, True),
        # oneDNN has bfloat16 on any AVX-512, but without its own instructions it is slower.
        (SKYLAKE, True, None, False),
        (ZEN_4, False, "AVX2", False),
        (ZEN_4, True, "avx512_core_vnni", False),
        (ZEN_4, True, "AVX512_CORE_BF16", True),
        (ZEN_4, True, "NONSENSE", True),
        (GRAVITON, True, None, True),
        (GRAVITON, False, None, False),
    ],
)
def test_which_processors_compute_bfloat16(monkeypatch, able, supported, cap, native):
    make_processor(monkeypatch, able, supported)
    if cap is not None:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", cap)
    assert processor().native_bfloat16 is native
    assert computes_bfloat16(CPU) is native


def test_a_processor_is_told_with_what_it_has_and_lacks(monkeypatch):
    make_processor(monkeypatch, ZEN_4, True)
    assert str(processor()) == "Zen 4 (AVX2, AVX-512, AVX-512-BF16)"
    assert processor().lacks == ("AMX-BF16",)
    monkeypatch.setenv("DNNL_MAX_CPU_ISA", "AVX")
    assert str(processor()).endswith(", held by DNNL_MAX_CPU_ISA=AVX")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "ALL")
    assert processor().cap == "ONEDNN_MAX_CPU_ISA=ALL", "oneDNN looks at this one first"


def test_a_torch_without_onednn(monkeypatch):
    make_processor(monkeypatch, ZEN_4, True)
    monkeypatch.setattr(torch, "ops", SimpleNamespace(mkldnn=SimpleNamespace()))
    assert not processor().native_bfloat16


def test_held_to_avx2_torch_agrees(monkeypatch):
    """A process of its own: oneDNN reads the variable once."""
    code = (
        "import torch; from hpc.precision import processor\n"
        "print(torch.ops.mkldnn._is_mkldnn_bf16_supported(), processor().native_bfloat16)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True,
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    )  # fmt: skip
    assert run.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("native", [True, False])
def test_auto_is_what_the_device_computes_natively(monkeypatch, said, native):
    monkeypatch.setattr(precision, "computes_bfloat16", lambda device: native)
    assert settled("auto", CPU) == ("bfloat16" if native else "float32")
    (record,) = said.records
    assert record.levelname == "INFO"
    assert processor().model in record.message
    assert ("computes bfloat16 natively" in record.message) is native


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_what_is_named_is_taken_without_a_word(monkeypatch, said, name):
    monkeypatch.setattr(precision, "computes_bfloat16", lambda device: False)
    assert settled(name, CPU) == name
    assert not said.records


def test_emulation_is_told_once_with_its_factor(monkeypatch, said):
    monkeypatch.setattr(precision, "computes_bfloat16", lambda device: False)
    monkeypatch.setattr(precision, "bfloat16_factor", lambda device: 10.4)
    assert settled("bfloat16", CPU) == settled("bfloat16", CPU) == "bfloat16"
    (record,) = said.records
    assert record.levelname == "WARNING"
    assert "10 times" in record.message
    assert "precision auto or float32" in record.message


@pytest.mark.parametrize(
    ("kept", "native", "levels", "told"),
    [
        ("bfloat16", False, ["INFO", "WARNING"], "emulated"),
        ("float32", True, ["INFO"], "would compute bfloat16"),
        ("float32", False, ["INFO"], "as when it was begun"),
        ("float64", True, ["INFO"], "as when it was begun"),
    ],
)
def test_what_was_begun_goes_on_alike_and_says_when_that_costs(
    monkeypatch, said, kept, native, levels, told
):
    monkeypatch.setattr(precision, "computes_bfloat16", lambda device: native)
    assert settled("auto", CPU, kept) == kept
    assert [record.levelname for record in said.records] == levels
    assert told in said.records[-1].message


def on_ranks_that_differ(wanted: str) -> tuple[str, list[str]]:
    told: list[str] = []
    precision.logger.addFilter(lambda record: told.append(record.getMessage()) or True)
    precision.logger.setLevel(logging.INFO)
    precision.computes_bfloat16 = lambda device: rank() != 1
    return settled(wanted, CPU), told


@pytest.mark.parametrize(("wanted", "chosen"), [("auto", "float32"), ("bfloat16", "bfloat16")])
def test_all_ranks_agree_and_the_first_says_why(wanted, chosen):
    """bfloat16 only where every rank computes it natively, and one warning for all of them."""
    (first, told), (second, untold) = run_ranks(2, on_ranks_that_differ, wanted)
    assert first == second == chosen
    assert len(told) == 1
    assert "1 of 2 processes" in told[0]
    assert not untold


def test_the_factor_is_measured_without_random_numbers():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    bfloat16_factor.cache_clear()
    assert bfloat16_factor(CPU) > 0
    assert torch.equal(torch.get_rng_state(), before)
