"""Labels: which rows a person should look at next, the sheet that keeps what was said, several annotators merged."""

from synthkd.labels.sampling_design import Chosen, Design, choose, simulate

__all__ = ["Chosen", "Design", "choose", "simulate"]
