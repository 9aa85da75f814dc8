"""Prompt templates: Jinja2 files with a YAML head, rendered in a sandbox with limits.

A variable that no input has is an error, found before anything is sent. A template includes files
of its own folder only.

head              the YAML head
load              find and load templates
prompt            a loaded template: its content, rendering, checks
few_shot          few-shot rows and their draw
sandbox           jinja's environment with limits
limits            what one rendering may make
operations        operators, formats and methods
filters           filters and tests
loader            the files of a folder
template_errors   place and cause of an error
"""

from synthkd.prompts.few_shot import PromptKind
from synthkd.prompts.head import Head
from synthkd.prompts.load import installed_prompts, load_prompt, shipped_prompts
from synthkd.prompts.prompt import Prompt, lint

__all__ = [
    "Head",
    "Prompt",
    "PromptKind",
    "installed_prompts",
    "lint",
    "load_prompt",
    "shipped_prompts",
]
