"""One way of computing: what it sets, and that it puts everything back."""

import pytest
import torch

from hpc.determinism import deterministic


def settings():
    cudnn = torch.backends.cudnn
    return torch.get_num_threads(), cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32


@pytest.fixture
def unusual(monkeypatch):
    """Settings that are not those inside, for as long as the test runs."""
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield (3, True, *settings()[2:])
    torch.set_num_threads(before)


def test_a_single_thread_and_no_shortcuts_on_a_gpu(unusual):
    with deterministic():
        assert settings() == (1, False, True, False)

    assert settings() == unusual


def test_everything_is_put_back_after_an_error_too(unusual):
    with pytest.raises(RuntimeError, match="inside"), deterministic():
        raise RuntimeError("inside")

    assert settings() == unusual
