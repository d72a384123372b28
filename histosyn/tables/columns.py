"""Column names: synonyms of other tools, and suggestions for misspelled ones."""

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
_NO_READERS = frozenset(
    {"age", "batch", "case", "center", "centre", "cohort", "consensus", "createdat", "date",
     "description", "diagnosis", "explanation", "file", "filepath", "fold", "gender", "gold",
     "goldstandard", "group", "groundtruth", "height", "hospital", "id", "index",
     "institution", "lab", "leadtime", "magnification", "mpp", "mrn", "number", "order", "organ",
     "path", "patient", "pid", "reason", "reference", "row", "scanner", "session", "set",
     "sex", "site", "slide", "specimen", "split", "stain", "subject", "subset", "text", "tile",
     "timestamp", "tissue", "truth", "unnamed0", "updatedat", "url", "width", "year"}
)  # fmt: skip
# With one of the endings they are numbers and names of things, without they may be people: Pat.
_THINGS = ("batch", "block", "case", "file", "group", "hospital", "image", "lab", "pat", "patient",
           "pt", "sample", "scanner", "site", "slide", "specimen", "study", "subject", "task",
           "tile")  # fmt: skip
_ENDINGS = ("id", "ids", "no", "nr", "num", "number", "name", "code", "key")
_NUMBERED = frozenset(thing + ending for thing in _THINGS for ending in _ENDINGS)
# As one of them or at the end of a reader's name: R1_comment, R1_seconds.
_BESIDE = ("comment", "comments", "confidence", "date", "duration", "note", "notes", "remark",
           "remarks", "seconds", "time")  # fmt: skip
_NEAR = 0.8


def column_key(name: str) -> str:
    """A name of a column without case, blanks and signs."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def is_no_reader(name: str) -> bool:
    """Whether a column beside readers says by its name that it is something else."""
    key = column_key(name)
    return key in _NO_READERS or key in _NUMBERED or key.endswith(_BESIDE)


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
