"""A small model with random weights, and servers of the page that tests talk to."""

import contextlib
import re
import signal
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import torch
from launching import HISTOSYN, started
from tissue import SCHEMA

from histosyn.config.networks import GeneratorConfig
from histosyn.models.facts import ModelFacts
from histosyn.models.folder import save_model
from histosyn.networks.generator import Generator
from histosyn.stain.names import NAMES
from histosyn.stain.seen import SeenStains

# Stride 8: the coarsest cells are small, so that areas of small maps have noise of their own.
GENERATOR = GeneratorConfig(
    base_channels=4, max_multiplier=4, upsamplings=3, label_channels=8, noise_channels=8,
    stain=False,
)  # fmt: skip


# Of a model that takes a stain.
STAINS = SeenStains(
    codes_MS=np.random.default_rng(0).uniform(0.1, 0.9, (5, len(NAMES))), groups=("a",) * 5
)


def random_model(folder: Path, config: GeneratorConfig = GENERATOR, tile_size=(64, 64)) -> Path:
    """A model whose tissue depends visibly on labels and noise."""
    torch.manual_seed(0)
    network = Generator(config, len(SCHEMA)).eval()
    for parameter in network.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, std=0.5)
    if network.stain is not None:
        network.stain.standardize(STAINS)
    facts = ModelFacts(
        generator=config, schema=SCHEMA, tile_size=tile_size, mpp=1.0, training={"steps": 0},
        stains=STAINS if config.stain else SeenStains(),
    )  # fmt: skip
    save_model(folder, network, facts)
    return folder


def stripes(height=48, width=64) -> np.ndarray:
    """A label map with all classes."""
    return (
        np.repeat(np.arange(width) // 5 % len(SCHEMA), height)
        .reshape(width, height)
        .T.astype(np.uint8)
    )


@dataclass(frozen=True)
class Server:
    """A running `histosyn paint`."""

    process: subprocess.Popen
    url: str
    token: str
    output: list[str]

    def ask(self, path, body=None, method=None, token=True, **headers):
        """Status, headers and body of an answer."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            headers = {"X-Histosyn-Token": self.token} | headers
        request = Request(self.url + path, data=body, headers=headers, method=method)
        try:
            with urlopen(request, timeout=120) as answer:
                return answer.status, answer.headers, answer.read()
        except HTTPError as error:
            with error:
                return error.code, error.headers, error.read()


@contextlib.contextmanager
def serving(model, *options, **started_options):
    """`histosyn paint MODEL` on a free port, until the block ends."""
    command = [*HISTOSYN, "paint", model, "--port", "0", "--no-browser", *options]
    options = {"stderr": subprocess.STDOUT} | started_options
    with started(list(map(str, command)), **options) as process:
        output = []
        for line in process.stdout:
            output.append(line)
            if "Ctrl-C" in line:
                break
        found = re.search(r"(\S+/)#token=(\S+)", "".join(output))
        assert found, "".join(output)
        rest = threading.Thread(target=lambda: output.extend(process.stdout), daemon=True)
        rest.start()
        yield Server(process, found[1], found[2], output)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        rest.join(timeout=60)
