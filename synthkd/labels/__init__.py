"""Labels: which rows to label next, label sheets, annotators' agreement, and other tools' files."""

from typing import TYPE_CHECKING

from synthkd.lazy_names import lazy_names

if TYPE_CHECKING:
    from synthkd.labels.agreement import agreement_report, krippendorff_alpha
    from synthkd.labels.candidates import CandidatePool, read_candidates
    from synthkd.labels.merge import dawid_skene, merge_verdicts
    from synthkd.labels.sampling_design import (
        LabelSample,
        SamplingDesign,
        sample_rows,
        simulate_labelling,
    )
    from synthkd.labels.sheet import Sheet, read_sheet, votes_by_row

#: Public name -> its module, which is imported when the name is first used.
_HOMES = {
    "CandidatePool": "synthkd.labels.candidates",
    "LabelSample": "synthkd.labels.sampling_design",
    "SamplingDesign": "synthkd.labels.sampling_design",
    "Sheet": "synthkd.labels.sheet",
    "agreement_report": "synthkd.labels.agreement",
    "dawid_skene": "synthkd.labels.merge",
    "krippendorff_alpha": "synthkd.labels.agreement",
    "merge_verdicts": "synthkd.labels.merge",
    "read_candidates": "synthkd.labels.candidates",
    "read_sheet": "synthkd.labels.sheet",
    "sample_rows": "synthkd.labels.sampling_design",
    "simulate_labelling": "synthkd.labels.sampling_design",
    "votes_by_row": "synthkd.labels.sheet",
}

__all__ = [
    "CandidatePool",
    "LabelSample",
    "SamplingDesign",
    "Sheet",
    "agreement_report",
    "dawid_skene",
    "krippendorff_alpha",
    "merge_verdicts",
    "read_candidates",
    "read_sheet",
    "sample_rows",
    "simulate_labelling",
    "votes_by_row",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
