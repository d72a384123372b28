"""Numbers as people read them: three digits, no minus before a zero, no e-05."""

from __future__ import annotations

import math

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SMALLEST, _LARGEST = 1e-3, 1e5
MINUS = "−"


def digits(value: float | None, *, count: int = 3) -> str:
    """Such as 0.0254, 12.3, 1,234, −4.1 × 10⁻⁵; a dash for nothing."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if not _SMALLEST <= abs(value) < _LARGEST:
        mantissa, exponent = f"{value:.{count - 2}e}".split("e")
        return f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPTS)}".replace("-", MINUS)
    places = max(count - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:z,.{places}f}".replace("-", MINUS)


def interval(ends: tuple[float, float] | None) -> str:
    """Low to high, both to the places that the wider end has."""
    if ends is None:
        return ""
    widest = max(abs(ends[0]), abs(ends[1]))
    if widest == 0 or not _SMALLEST <= widest < _LARGEST:
        return f"{digits(ends[0])} to {digits(ends[1])}"
    places = min(max(2 - math.floor(math.log10(widest)), 0), 4)
    low, high = (f"{end:z,.{places}f}".replace("-", MINUS) for end in ends)
    return f"{low} to {high}"


_NAMES = {
    "frechet_distance": "Fréchet distance",
    "kid": "kernel distance (KID)",
    "auc": "AUC",
    "dprime": "d′",
    "mean_dice": "mean Dice",
    "mean_iou": "mean IoU",
    "iou": "IoU",
    "percent_agreement": "share of agreement",
}
_PARTS = {
    "krippendorff": "Krippendorff’s", "alpha": "α", "kappa": "κ", "fleiss": "Fleiss’",
    "cohen": "Cohen’s", "conger": "Conger’s", "light": "Light’s", "scott": "Scott’s", "pi": "π",
    "gwet": "Gwet’s", "ac1": "AC1", "ac2": "AC2", "icc": "ICC", "brennan": "Brennan &",
    "prediger": "Prediger’s", "randolph": "Randolph’s", "auc": "AUC",
}  # fmt: skip


def words(name: str) -> str:
    """A number's name as people write it."""
    return _NAMES.get(name) or " ".join(_PARTS.get(part, part) for part in name.split("_"))
