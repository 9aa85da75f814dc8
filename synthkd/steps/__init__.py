"""Recipes of several steps: each step is an ordinary run on the rows of earlier ones.

`recipes` makes the recipe of a step, `tables` has the operations between steps, `inputs` writes a
step's inputs, `outputs` reads its rows, `run` runs the steps, and `lineage` follows rows through
them.
"""

from synthkd.steps.recipes import step_names, step_recipe

__all__ = ["step_names", "step_recipe"]
