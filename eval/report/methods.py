"""A methods paragraph ready to paste, and the limits that the numbers have."""

from __future__ import annotations

from collections.abc import Iterator

from eval.report.answers import classes, listed, training
from eval.report.numbers import digits
from eval.report.results_files import Finding
from eval.report.sources import Sources, content_of_side

_ASSUMED = (
    "Nothing here shows that the images are fit for diagnosis: agreement and distances are "
    "statements about these tiles, this extractor and these readers.",
    "What is not shown is not thereby disproved, nor the other way round: an interval that holds "
    "the floor, or 0.5, or 1, says that the tiles measured do not decide it.",
)


def paragraph(sources: Sources) -> str:
    """Sentences in the past tense, from what the run and the results know."""
    return " ".join(_sentences(sources))


def _sentences(sources: Sources) -> Iterator[str]:
    if sources.run is not None:
        yield from _of_training(sources)
    for one in sources.findings.found:
        sentence = _SENTENCES.get(one.kind)
        if sentence is not None:
            yield sentence(one)
    version = next((one.versions.get("histosyn") for one in sources.findings.found
                    if one.versions.get("histosyn")), None)  # fmt: skip
    yield f"Computations used histosyn{f' {version}' if version else ''}."


def _of_training(sources: Sources) -> Iterator[str]:
    learnt, known = training(sources), classes(sources)
    count = sum(shard.get("samples", 0) for shard in sources.data.get("shards") or ())
    tiles = f"{count} pairs of label map and tile" if count else "pairs of label map and tile"
    if sources.data.get("tile_size"):
        height, width = sources.data["tile_size"]
        mpp = sources.data.get("mpp")
        tiles += f" of {width}x{height} pixels"
        tiles += f" at {digits(mpp)} µm per pixel" if mpp else ""
    yield f"A generator was trained on {tiles}{f' ({_lower(learnt)[:-1]})' if learnt else ''}."
    if known:
        yield f"Label maps had {known}"
    if sources.run is not None and sources.run.model_sha256:
        yield f"The weights have the sha256 {sources.run.model_sha256}."


def _fid(one: Finding) -> str:
    real, synthetic = (_n(one, role) for role in ("real", "synthetic"))
    patients = _patients(one)
    return (
        f"Squared Fréchet and kernel distances (KID), precision and recall were computed between "
        f"features of {real} real and {synthetic} synthetic tiles "
        f"({_features(one)}; seed {one.settings.get('seed')}), beside the distance "
        f"between random halves of the real tiles{patients}."
    )


def _c2st(one: Finding) -> str:
    return (
        "Classifier two-sample tests (Lopez-Paz & Oquab 2017) used logistic regression on features "
        f"of {one.settings.get('extractor')} and gradient boosting on textures, at four scales, "
        f"with patients kept apart in folds ({_n(one, 'real')} real, {_n(one, 'synthetic')} "
        "synthetic tiles)."
    )


def _stain(one: Finding) -> str:
    return (
        "Hematoxylin and eosin were separated by colour deconvolution (Ruifrok & Johnston 2001); "
        f"distributions over {_n(one, 'real')} real and {_n(one, 'synthetic')} synthetic tiles of "
        "mean optical density over tissue were compared by Wasserstein distance, with intervals "
        f"from a bootstrap of whole patients{_patients(one)}."
    )


def _memorization(one: Finding) -> str:
    return (
        f"For {_n(one, 'synthetic')} synthetic and {_n(one, 'held_out')} held-out real tiles the "
        f"nearest of {_n(one, 'training')} training tiles was found under the eight symmetries, by "
        f"{_features(one)} and by pixels."
    )


def _diversity(one: Finding) -> str:
    return (
        "Diversity was the distance between variants of a label map over that between real tiles "
        "of like composition, and the spread of stain over tiles, synthetic over real."
    )


def _labels(one: Finding) -> str:
    return (
        f"New label maps ({_n(one, 'new')}) were compared with {_n(one, 'real')} real ones by "
        "Wasserstein distances of class shares, of number, size and spacing of objects and of "
        f"borders, beside distances between halves of the real maps{_patients(one)}; each new map "
        "was laid on every real one, at all places and under eight symmetries."
    )


def _faithfulness(one: Finding) -> str:
    return (
        "A segmenter trained on real tiles read the synthetic ones; Dice and IoU with the label "
        "maps asked for have percentile bootstrap intervals."
    )


def _utility(one: Finding) -> str:
    margin = one.settings.get("margin")
    return (
        "Segmenters were trained with and without synthetic tiles and compared on held-out real "
        f"ones by mean Dice; margin {digits(margin)}, set beforehand."
    )


def _agreement(one: Finding) -> str:
    categories = ", ".join(map(str, listed(one.settings.get("categories"))))
    margin = one.settings.get("margin")
    told = f" Equivalence was tested with a margin of {digits(margin)}." if margin else ""
    return (
        f"Agreement of readers was computed on declared categories ({categories}) with percentile "
        f"bootstrap intervals over {one.settings.get('resampled', 'images')} "
        f"({one.settings.get('replicates')} replicates).{told}"
    )


def _discrimination(one: Finding) -> str:
    margin = one.settings.get("margin")
    told = f" Equivalence to chance was tested with a margin of {digits(margin)}." if margin else ""
    return (
        "Readers judged whether images were real or synthetic; means of readers take readers and "
        f"images for drawn ({_lower(str(one.settings.get('pooling')))}).{told}"
    )


_SENTENCES = {
    "fid": _fid, "c2st": _c2st, "stain": _stain, "memorization": _memorization,
    "diversity": _diversity, "labels": _labels, "faithfulness": _faithfulness, "utility": _utility,
    "agreement": _agreement, "discrimination": _discrimination,
}  # fmt: skip


def limits(sources: Sources) -> list[str]:
    """What commands warned of, each once, with where it was said; and what holds always."""
    said: dict[str, list[str]] = {}
    for one in sources.findings.found:
        for warning in one.warnings:
            said.setdefault(warning, []).append(one.file)
    told = [f"{text} ({', '.join(files)})" for text, files in said.items()]
    return told + list(_selection(sources)) + list(_ASSUMED)


def _selection(sources: Sources) -> Iterator[str]:
    """Where tiles were selected, by manifests or by what results say of them."""
    tries = [entry["selected"] for one in sources.tissue for entry in one.entries.values()
             if isinstance(entry.get("selected"), dict)]  # fmt: skip
    sides = [(one.file, content_of_side(one.inputs.get("synthetic")))
             for one in sources.findings.found]  # fmt: skip
    measured = [file for file, content in sides if content and content.get("selected_by")]
    if not tries and not measured:
        return
    told = ""
    if tries:
        total = sum(int(one.get("tried") or 1) for one in tries)
        told = f" {len(tries)} tiles were kept of {total} tried."
    where = f" ({', '.join(measured)})" if measured else ""
    yield (
        "Synthetic tiles were selected by what a segmenter reads in them: they are easier to read "
        f"than what the generator makes, and less varied, and measures of them are biased.{told}"
        f"{where}"
    )


def _features(one: Finding) -> str:
    name = one.settings.get("extractor")
    if name == "random":
        return "features of a random network"
    return f"features of {name}" if name else "features from files"


def _n(one: Finding, role: str) -> str:
    side = one.inputs.get(role)
    n = side.get("n") or side.get("tiles") if isinstance(side, dict) else None
    return "an unknown number of" if n is None else f"{n}"


def _patients(one: Finding) -> str:
    groups = one.settings.get("groups")
    return f", {groups} patients kept whole" if isinstance(groups, int) else ""


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]
