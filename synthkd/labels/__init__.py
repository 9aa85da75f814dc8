"""Labels: which rows a person should look at next, the sheet that keeps what was said, several annotators merged."""

from synthkd.labels.sampling_design import LabelSample, SamplingDesign, sample_rows, simulate_labelling

__all__ = ["LabelSample", "SamplingDesign", "sample_rows", "simulate_labelling"]
