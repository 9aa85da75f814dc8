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

from typing import TYPE_CHECKING

from synthkd.lazy_names import lazy_names

if TYPE_CHECKING:
    from synthkd.critics.judge.agreement import judge_agreement
    from synthkd.critics.judge.client import JudgeClient
    from synthkd.critics.judge.critic import JudgeCritic
    from synthkd.critics.judge.pairwise import judge_pairs
    from synthkd.critics.judge.preference import keep_by_margin, preference_margin, self_preference
    from synthkd.critics.judge.verdict import read_verdict

#: Public name -> its module, imported on first use: numerical libraries are slow to import.
_HOMES = {
    "JudgeClient": "client",
    "JudgeCritic": "critic",
    "judge_agreement": "agreement",
    "judge_pairs": "pairwise",
    "keep_by_margin": "preference",
    "preference_margin": "preference",
    "read_verdict": "verdict",
    "self_preference": "preference",
}

__all__ = [
    "JudgeClient",
    "JudgeCritic",
    "judge_agreement",
    "judge_pairs",
    "keep_by_margin",
    "preference_margin",
    "read_verdict",
    "self_preference",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
