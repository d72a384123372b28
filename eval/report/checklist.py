"""What reporting guidelines ask for, answered from the run, by its owner, or "not stated".

The items are paraphrased: STARD-AI (Sounderajah et al., Nat Med 2025), MI-CLAIM-GEN (Miao et al.,
Nat Med 2025), GRRAS (Kottner et al., J Clin Epidemiol 2011;64:96), and what cards of synthetic data
ask for (Gebru et al., Datasheets for datasets, Commun ACM 2021;64:86). They stand in for no
reading of the guidelines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from eval.report import answers
from eval.report.answers import Sources

NOT_STATED = "not stated"


@dataclass(frozen=True, kw_only=True)
class Item:
    """A question of a guideline; `answer` looks into the run, None: only people know."""

    id: str
    guideline: str
    asks: str
    answer: Callable[[Sources], str | None] | None = None


ITEMS = (
    Item(id="intended-use", guideline="STARD-AI, MI-CLAIM-GEN, card",
         asks="What the images are for, and what they are not for"),
    Item(id="study-question", guideline="STARD-AI", asks="Study question and hypotheses",
         answer=answers.hypotheses),
    Item(id="ethics", guideline="STARD-AI", asks="Approval of an ethics committee, consent"),
    Item(id="data-source", guideline="STARD-AI, MI-CLAIM-GEN, card",
         asks="Where the real tiles come from: hospital, dates, scanner, licence"),
    Item(id="participants", guideline="STARD-AI", asks="How cases were chosen; demographics"),
    Item(id="data-size", guideline="STARD-AI, MI-CLAIM-GEN",
         asks="How many tiles, of how many patients", answer=answers.data_size),
    Item(id="split", guideline="STARD-AI, MI-CLAIM-GEN",
         asks="How training and test data were kept apart", answer=answers.split),
    Item(id="preparation", guideline="STARD-AI, MI-CLAIM-GEN",
         asks="How tiles were prepared; resolution", answer=answers.preparation),
    Item(id="label-maps", guideline="MI-CLAIM-GEN", asks="Classes, and who drew the label maps",
         answer=answers.classes),
    Item(id="model", guideline="MI-CLAIM-GEN, card", asks="Model, version and digest",
         answer=answers.model),
    Item(id="training", guideline="MI-CLAIM-GEN", asks="How it was trained",
         answer=answers.training),
    Item(id="code", guideline="STARD-AI, MI-CLAIM-GEN", asks="Code, versions, seeds",
         answer=answers.code),
    Item(id="synthetic-mark", guideline="card", asks="How synthetic images are told from real ones",
         answer=answers.mark),
    Item(id="synthetic-size", guideline="card", asks="How many synthetic images, made of what",
         answer=answers.synthetic_size),
    Item(id="baseline", guideline="MI-CLAIM-GEN", asks="What results are compared with",
         answer=answers.floors),
    Item(id="quality", guideline="MI-CLAIM-GEN, card",
         asks="Measures of quality, with uncertainty", answer=answers.measures),
    Item(id="memorization", guideline="MI-CLAIM-GEN, card",
         asks="Whether training data are repeated", answer=answers.memorization),
    Item(id="privacy", guideline="card", asks="Risk of re-identification; who may have the images"),
    Item(id="bias", guideline="STARD-AI, MI-CLAIM-GEN",
         asks="Performance in groups of patients (site, sex, age)"),
    Item(id="file-history", guideline="card", asks="Whether formats or compression differ by arm",
         answer=answers.file_history),
    Item(id="raters", guideline="GRRAS", asks="How many raters, with what training",
         answer=answers.raters),
    Item(id="subjects", guideline="GRRAS", asks="How many images, how they were chosen",
         answer=answers.subjects),
    Item(id="rating-scale", guideline="GRRAS", asks="The scale", answer=answers.scale),
    Item(id="blinding", guideline="GRRAS, STARD-AI",
         asks="Whether raters were blind and independent", answer=answers.blinding),
    Item(id="sample-size", guideline="GRRAS, STARD-AI", asks="How the sample size was chosen"),
    Item(id="margin", guideline="STARD-AI", asks="Margins of equivalence, set beforehand",
         answer=answers.margins),
    Item(id="statistics", guideline="GRRAS, STARD-AI", asks="Coefficients and intervals",
         answer=answers.statistics),
    Item(id="deviations", guideline="STARD-AI", asks="Deviations from the protocol",
         answer=answers.deviations),
    Item(id="limits", guideline="all", asks="Limits", answer=answers.limits),
    Item(id="funding", guideline="STARD-AI", asks="Funding and interests"),
    Item(id="licence", guideline="card", asks="Licence and maintenance of the synthetic images"),
)  # fmt: skip


def answered(sources: Sources, stated: Mapping[str, str]) -> list[dict[str, Any]]:
    """The items with their answers; what `stated` says by id comes first, then the run."""
    found = []
    for item in ITEMS:
        own = stated.get(item.id)
        told = item.answer(sources) if item.answer is not None else None
        text = " ".join(part for part in (own, told) if part) or NOT_STATED
        by = "owner" if own else "run" if told else None
        found.append({"id": item.id, "guideline": item.guideline, "asks": item.asks,
                      "answer": text, "answered_by": by})  # fmt: skip
    return found
