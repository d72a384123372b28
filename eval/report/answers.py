"""Answers to the items of guidelines, as far as a run and its results know them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eval.report.numbers import digits
from eval.report.results_files import Finding
from eval.report.sources import Sources

MEAN = "mean of readers"
_MEASURES = {
    "fid": "distances between features of real and synthetic tiles",
    "c2st": "classifier two-sample tests",
    "diversity": "diversity of variants and of stain",
    "labels": "new label maps beside real ones",
    "stain": "optical densities of hematoxylin and eosin",
    "memorization": "distance to the nearest training tile",
    "faithfulness": "agreement of a segmenter with the label maps asked for",
    "utility": "what a segmenter learns from synthetic tiles",
    "agreement": "agreement of readers",
    "discrimination": "readers telling real from synthetic",
}


def hypotheses(sources: Sources) -> str | None:
    """The primary outcome, where a study declares one."""
    for one in sources.findings.of("discrimination"):
        if one.settings.get("primary"):
            return f"Primary outcome: {one.settings['primary']}."
    return None


def data_size(sources: Sources) -> str | None:
    """Training set, and the real tiles that were measured."""
    parts = list(_sides(sources, "real"))
    shards = sources.data.get("shards")
    if shards:
        count = sum(shard.get("samples", 0) for shard in shards)
        parts.insert(0, f"{count} training tiles")
    return _sentence(parts)


def split(sources: Sources) -> str | None:
    """How the training set was packed."""
    config = (sources.data.get("made_by") or {}).get("config")
    if not isinstance(config, dict) or not (config.get("val") or config.get("test")):
        return None
    whole = f"whole groups (column {config.get('group_column')}) kept together"
    told = whole if config.get("groups") else "tiles taken as independent"
    shares = [f"{digits(config[part])} to {name}" for part, name in
              (("val", "validation"), ("test", "a test")) if config.get(part)]  # fmt: skip
    return f"By histosyn pack: {', '.join(shares)}, {told}, seed {config.get('seed')}."


def preparation(sources: Sources) -> str | None:
    """Tile size, resolution, preprocessing of the features."""
    parts, data = [], sources.data
    if data.get("tile_size"):
        height, width = data["tile_size"]
        mpp = data.get("mpp")
        parts.append(f"training tiles of {width}x{height} pixels"
                     + (f" at {digits(mpp)} microns per pixel" if mpp else ""))  # fmt: skip
    for one in sources.findings.found:
        if one.settings.get("preprocessing"):
            parts.append(f"{one.kind}: {one.settings['preprocessing']}")
    return _sentence(parts)


def classes(sources: Sources) -> str | None:
    """The label schema."""
    schema = sources.data.get("schema") or (
        sources.run.model.get("schema") if sources.run else None
    )
    if not isinstance(schema, dict):
        return None
    names = [str(item.get("name")) for item in schema.get("classes", [])]
    return _sentence([f"{len(names)} classes: {', '.join(names)}"] if names else [])


def model(sources: Sources) -> str | None:
    """The digest of the weights."""
    run = sources.run
    if run is None or not run.model_sha256:
        return None
    generator = run.told_by_model("generator")
    told = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in generator.items()
                     if isinstance(value, (int, str)) and value != "")  # fmt: skip
    return f"Generator, weights sha256 {run.model_sha256}" + (f" ({told})." if told else ".")


def training(sources: Sources) -> str | None:
    """Steps, images, batch, precision, learning rates."""
    facts = {} if sources.run is None else sources.run.told_by_model("training")
    parts = [f"{facts['steps']} steps"] if facts.get("steps") is not None else []
    if facts.get("images_seen") is not None:
        parts.append(f"{facts['images_seen']} images seen")
    if facts.get("global_batch"):
        parts.append(f"global batch {facts['global_batch']}")
    if facts.get("precision"):
        parts.append(f"{facts['precision']}")
    return _sentence(parts)


def code(sources: Sources) -> str | None:
    """Versions and seeds of all results, and of the run."""
    versions: dict[str, set[str]] = {}
    seeds = set()
    for one in sources.findings.found:
        for name, version in one.versions.items():
            versions.setdefault(name, set()).add(version)
        if one.settings.get("seed") is not None:
            seeds.add(f"{one.settings['seed']} ({one.kind})")
    run_seed = None if sources.run is None else sources.run.section("run").get("seed")
    if run_seed is not None:
        seeds.add(f"{run_seed} (training)")
    parts = [f"{name} {', '.join(sorted(found))}" for name, found in versions.items()]
    return _sentence([*parts, *([f"seeds {', '.join(sorted(seeds))}"] if seeds else [])])


def mark(sources: Sources) -> str | None:
    """Only tiles of `histosyn synth` are known to have it."""
    if not sources.tissue:
        return None
    return "Every file carries a synthetic mark and the record of how it was made (manifest.jsonl)."


def synthetic_size(sources: Sources) -> str | None:
    """Tiles in manifests, and those that were measured."""
    parts = [f"{len(one.entries)} tiles in {one.folder.name}" for one in sources.tissue]
    return _sentence([*parts, *_sides(sources, "synthetic")])


def floors(sources: Sources) -> str | None:
    """Real against real."""
    kinds = [one.kind for one in sources.findings.found
             if any("floor" in number.name or number.details.get("floor")
                    for number in one.numbers)]  # fmt: skip
    return _sentence(
        [f"real against real tiles ({', '.join(dict.fromkeys(kinds))})"] if kinds else []
    )


def measures(sources: Sources) -> str | None:
    """What was measured."""
    return _sentence([_MEASURES.get(kind, kind) for kind in _kinds(sources)])


def memorization(sources: Sources) -> str | None:
    """How many tiles are nearer than all held-out ones."""
    for one in sources.findings.of("memorization"):
        nearer = one.named("nearer_than_all_features")
        if nearer is not None:
            return (f"{nearer.details.get('count')} of {nearer.n} tiles are nearer to a training "
                    "tile than every held-out tile (features).")  # fmt: skip
    return None


def file_history(sources: Sources) -> str | None:
    """The first result that looked."""
    for one in sources.findings.found:
        history = one.tables.get("file_history")
        if isinstance(history, dict):
            found = history.get("in_pixels")
            told = "; ".join(map(str, found)) if isinstance(found, list) else ""
            told = told or "nothing tells the arms apart"
            return f"Looked at by {one.kind}: {told}."
    return None


def raters(sources: Sources) -> str | None:
    """How many of them there are in the ratings."""
    for one in sources.findings.of("agreement"):
        named = [name for number in one.numbers for name in listed(number.details.get("raters"))]
        readers = {name for name in named if isinstance(name, str)}
        if readers:
            return f"{len(readers)} raters; their training is not stated."
    for one in sources.findings.of("discrimination"):
        people = [number for number in one.numbers if not number.details.get("machine")]
        readers = {str(number.details.get("reader") or MEAN) for number in people}
        if readers:
            return f"{len(readers - {MEAN})} readers; their training is not stated."
    return None


def subjects(sources: Sources) -> str | None:
    """Images rated, by arm."""
    for one in sources.findings.of("agreement"):
        told = [f"{arm.get('images')} {arm.get('arm') or ''} images".replace("  ", " ")
                for arm in listed(one.inputs.get("arms")) if isinstance(arm, dict)
                and arm.get("images") is not None]  # fmt: skip
        if told:
            return _sentence(told)
    return None


def scale(sources: Sources) -> str | None:
    """Declared categories."""
    for one in (*sources.findings.of("agreement"), *sources.findings.of("discrimination")):
        categories = listed(one.settings.get("categories") or one.settings.get("scale"))
        if categories:
            return f"{', '.join(map(str, categories))} ({one.kind})."
    return None


def blinding(sources: Sources) -> str | None:
    """What a study of `histosyn study make` guarantees."""
    for one in sources.findings.of("discrimination"):
        if one.inputs.get("study"):
            return "Blinded by histosyn study: no name, arm or patient in a reader's file."
    return None


def margins(sources: Sources) -> str | None:
    """Of all results."""
    told = [f"{one.kind}: {digits(one.settings['margin'])}" for one in sources.findings.found
            if one.settings.get("margin") is not None]  # fmt: skip
    return _sentence(told)


def statistics(sources: Sources) -> str | None:
    """Methods of intervals."""
    methods = dict.fromkeys(
        number.interval_method for one in sources.findings.found for number in one.numbers
        if number.interval_method
    )  # fmt: skip
    return _sentence(list(methods)[:6])


def deviations(sources: Sources) -> str | None:
    """As the analysis of a study says."""
    for one in sources.findings.of("discrimination"):
        if one.settings.get("protocol_sha256"):
            told = one.tables.get("deviations") or []
            return ("; ".join(map(str, told)) if told else "None from the protocol") + "."
    return None


def limits(sources: Sources) -> str | None:
    """They have a section of their own."""
    return "See Limits." if sources.findings.found else None


def _sides(sources: Sources, role: str) -> Iterator[str]:
    for one in sources.findings.found:
        side: Any = one.inputs.get(role)
        if isinstance(side, dict) and (side.get("n") or side.get("tiles")):
            n = side.get("n") or side.get("tiles")
            yield f"{n} {role} tiles ({one.kind}{_patients(one, role)})"


def _patients(one: Finding, role: str) -> str:
    groups = one.settings.get("groups")
    return f", {groups} patients" if role == "real" and isinstance(groups, int) else ""


def listed(found: Any) -> list[Any]:
    """A list of a file; an empty one if it is something else."""
    return list(found) if isinstance(found, (list, tuple)) else []


def _kinds(sources: Sources) -> list[str]:
    return list(dict.fromkeys(one.kind for one in sources.findings.found))


def _sentence(parts: list[str]) -> str | None:
    if not parts:
        return None
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."
