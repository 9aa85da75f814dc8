"""The text critic: features of answers that are texts.

`critic` is the plug-in, `features` the form, words and overlap of an answer, `siblings` its rank
among the answers to the same input.
"""

from typing import TYPE_CHECKING

from synthkd.lazy_names import lazy_names

if TYPE_CHECKING:
    from synthkd.critics.text.critic import TextCritic
    from synthkd.critics.text.siblings import with_siblings

#: Public name -> its module, imported on first use: numerical libraries are slow to import.
_HOMES = {"TextCritic": "critic", "with_siblings": "siblings"}

__all__ = ["TextCritic", "with_siblings"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
