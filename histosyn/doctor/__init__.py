"""What is wrong with a data set, found in one pass, before a GPU is asked for."""

from histosyn.doctor.diagnosis import Diagnosis, Source, examine
from histosyn.doctor.finding import KEPT_PLACES, Check, Finding
from histosyn.doctor.proposal import Proposal

__all__ = ["KEPT_PLACES", "Check", "Diagnosis", "Finding", "Proposal", "Source", "examine"]
