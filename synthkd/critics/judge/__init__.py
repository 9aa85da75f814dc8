"""Judges: a language model is asked for a verdict.

forms        which words mean what
verdict      a reply to a verdict, strictly or not at all
prompt, ask  what the judge reads; asking through a journal
critic       the critic `judge`: verdicts set against labels
pairwise     two texts in both orders; order consistency and position bias
agreement    accuracy and kappa against people, with bootstrap intervals
secrets      what may not be saved with a judge
preference   self-preference; the margin filter of AGDe-Judge
"""
