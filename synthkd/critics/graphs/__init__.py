"""The graph judge: does a text state a triple?

module        subject
------------  -------------------------------------------------------------
`critic`      the plug-in
`mentions`    where the ends of a triple stand in its source
`features`    numbers, indicators and a context of a triple and its source
`negatives`   corrupted graphs
"""

from synthkd.critics.graphs.critic import GraphJudgeCritic

__all__ = ["GraphJudgeCritic"]
