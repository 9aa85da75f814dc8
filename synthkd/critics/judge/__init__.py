"""Judges: a language model asked for verdicts.

verdict_forms    forms of a verdict: which words mean what
verdict          a reply to a verdict, strictly or not at all
prompt, client   the judge's prompt; replies bought through a journal
critic           the critic `judge`: verdicts calibrated on labels
settings         settings of a saved judge, without anything secret
pairwise         two texts in both orders; order consistency and position bias
agreement        accuracy and kappa against people, with bootstrap intervals
preference       self-preference; the margin filter of AGDe-Judge
"""
