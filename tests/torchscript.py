"""A network in a file, as an extractor of `eval fid`."""

import warnings

import torch

_STATED = 'name = "net"\nsize = 32\nfilter = "bicubic"\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n'


def write_float32_network(folder):
    """The path of a network whose rounding depends on the number of threads that compute it.

    That is what a convolution of 1x1 pixel does whose channels are many enough to be shared out.
    """
    generator = torch.Generator().manual_seed(0)
    layers = [torch.nn.Conv2d(3, 512, 3, stride=2), torch.nn.ReLU(), torch.nn.Conv2d(512, 64, 1)]
    module = torch.nn.Sequential(*layers, torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1)).eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.rand(weight.shape, generator=generator) / 10 - 0.05)
    path = folder / "net.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(module, torch.zeros(2, 3, 32, 32)).save(str(path))
    path.with_suffix(".toml").write_text(_STATED)
    return path
