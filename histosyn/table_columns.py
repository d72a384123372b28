"""Names of columns: those that tables have in other places, and what is meant by them here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType

_FILE = ("image", "imageid", "imagename", "img", "file", "filename", "filepath", "path", "name",
         "tile", "tileid", "tilename", "item", "sample", "slideimage")  # fmt: skip
# Column here -> what it is called elsewhere: letters and digits only, in lower case.
ALSO_CALLED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "image": frozenset({*_FILE, "slide", "slideid", "case", "caseid", "task", "taskid",
                            "subject", "id", "stimulus", "patch"}),
        "tile": frozenset({*_FILE, "slide", "slideid", "case", "caseid", "id", "patch"}),
        "rater": frozenset({"annotator", "annotatorid", "reader", "readerid", "raterid", "observer",
                            "pathologist", "user", "userid", "username", "reviewer", "coder",
                            "judge", "worker", "workerid", "completedby", "scorer", "expert",
                            "labeler", "labeller", "participant", "evaluator"}),
        "rating": frozenset({"choice", "choices", "score", "grade", "label", "value", "answer",
                             "response", "category", "class", "annotation", "result", "code",
                             "confidence", "ratings"}),
        "arm": frozenset({"arms", "realorsynthetic", "realorfake", "synthetic", "real", "isreal",
                          "issynthetic"}),
        "patient": frozenset({"patientid", "patientname", "subject", "subjectid", "case", "caseid",
                              "slide", "slideid", "group", "groupid", "donor", "participant", "pid",
                              "mrn", "person"}),
        "split": frozenset({"splits", "set", "subset", "partition", "part", "fold", "dataset"}),
        "mpp": frozenset({"resolution", "micronsperpixel", "umperpixel", "umperpx", "pixelsize",
                          "mppx", "spacing"}),
    }
)  # fmt: skip
# What a table of ratings holds beside them. A column of such a name is never a reader.
NO_READERS = frozenset(
    {"age", "batch", "case", "caseid", "center", "centre", "cohort", "comment", "comments",
     "consensus", "date", "diagnosis", "dx", "file", "filename", "filepath", "fold", "gender",
     "gold", "goldstandard", "group", "groundtruth", "gt", "height", "hospital", "id", "index",
     "institution", "lab", "magnification", "mpp", "notes", "note", "number", "organ", "path",
     "patient", "patientid", "reference", "remark", "remarks", "row", "scanner", "set", "sex",
     "site", "slide", "slideid", "specimen", "split", "stain", "subject", "subjectid", "subset",
     "time", "timestamp", "tissue", "truth", "url", "width", "x", "y", "year", "unnamed0",
     "createdat", "updatedat", "leadtime", "duration", "seconds", "tile", "tileid", "session",
     "order", "description", "text", "explanation", "reason"}
)  # fmt: skip
_NEAR = 0.8


def column_key(name: str) -> str:
    """A name of a column without case, blanks and signs."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def called_otherwise(name: str, wanted: Iterable[str]) -> str | None:
    """Which column of `wanted` is called `name` elsewhere, if any."""
    key = column_key(name)
    return next((one for one in wanted if key == one or key in ALSO_CALLED.get(one, ())), None)


def meant_by(name: str, wanted: Collection[str]) -> str | None:
    """Which column of `wanted` somebody means who calls it `name`, as far as one can tell."""
    near = get_close_matches(column_key(name), wanted, n=1, cutoff=_NEAR)
    return called_otherwise(name, wanted) or (near[0] if near else None)


def did_you_mean(names: Iterable[str], wanted: Collection[str]) -> str:
    """A sentence on which of `names` are probably called otherwise in `wanted`; or nothing."""
    told: dict[str, str] = {}
    for name in names:
        meant = meant_by(name, [column for column in wanted if column not in told])
        if meant is not None and meant != name:
            told[meant] = name
    if not told:
        return ""
    return " Did you mean " + ", ".join(f"{c} by {name!r}" for c, name in told.items()) + "?"
