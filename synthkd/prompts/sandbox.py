"""Render Jinja2 templates of unknown origin without code, within bounds.

Jinja's own sandbox keeps a template from Python's internals. It does not bound what a template
computes, and ten characters can ask for a gigabyte. Here operators, filters, methods, literals,
slices and buffers count what they make, loops and calls look at the clock, and the limits of
`limits` hold for each rendering.

Only texts and numbers are printed: an empty cell (null), a list or an object is refused.
`rows.cells` defines how a number, a date or a truth value is written.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, nodes
from jinja2.ext import Extension
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from synthkd.prompts.filters import (
    BOUNDED_FILTERS,
    BOUNDED_TESTS,
    COUNT_COMPARISON,
    COUNT_LOOP,
    COUNT_VALUE,
    JOIN_OPERANDS,
)
from synthkd.prompts.limits import (
    LONGEST,
    LONGEST_FILE,
    RENDERING,
    LimitError,
    Meter,
    concat,
    count_loop,
    count_parts,
    count_turns,
    count_value,
    printed,
)
from synthkd.prompts.loader import FolderLoader
from synthkd.prompts.operations import (
    CLOSED_METHODS,
    METHODS,
    OPERATORS,
    BoundedEscapeFormatter,
    BoundedFormatter,
)

#: Words and signs of a template's code; the text between them counts as one.
_TOKENS = 20_000
#: Arguments that jinja passes of itself to whatever is called inside a loop or a block.
_JINJA_ARGUMENTS = ("_loop_vars", "_block_vars")
_DICT_ATTRIBUTES = frozenset(dir(dict))


class _OpaqueNamespace(Namespace):
    """A namespace that prints nothing of its contents, since it may hold itself."""

    def __repr__(self) -> str:
        return "<namespace>"


class _CountedTemplate(Template):
    def make_module(self, *args: Any, **named: Any) -> Any:
        module = super().make_module(*args, **named)
        RENDERING.meter.text(sum(map(len, module._body_stream)))
        return module


class _AddCounting(NodeTransformer):
    """Adds the counting of values to a template's tree.

    Only for places that no method of the environment sees.

    Args:
        environment: The environment of the template.
        buffered: Whether the template's output is collected, rather than given out piece by piece.
    """

    def __init__(self, environment: Environment, buffered: bool) -> None:
        self.environment = environment
        self.buffered = buffered

    def _filtered(self, name: str, node: Any) -> nodes.Filter:
        return nodes.Filter(
            node, name, [], [], None, None, lineno=node.lineno, environment=self.environment
        )

    def _count_literal(self, node: Any) -> Any:
        node = self.generic_visit(node)
        return self._filtered(COUNT_VALUE, node) if getattr(node, "ctx", "load") == "load" else node

    visit_List = visit_Tuple = visit_Dict = _count_literal

    def visit_Concat(self, node: Any) -> Any:
        node = self.generic_visit(node)
        operands = nodes.List(node.nodes, lineno=node.lineno, environment=self.environment)
        return self._filtered(JOIN_OPERANDS, operands)

    def visit_Getitem(self, node: Any) -> Any:
        node = self.generic_visit(node)
        return self._filtered(COUNT_VALUE, node) if isinstance(node.arg, nodes.Slice) else node

    def visit_Compare(self, node: Any) -> Any:
        node = self.generic_visit(node)
        for part in (node, *node.ops):
            if not isinstance(part.expr, nodes.Const):
                part.expr = self._filtered(COUNT_COMPARISON, part.expr)
        return node

    def visit_For(self, node: Any) -> Any:
        # The output of a loop is not collected by itself, unlike the body of a recursive loop.
        node = self._visit_buffer(node) if node.recursive else self.generic_visit(node)
        node.iter = self._filtered(COUNT_LOOP, node.iter)
        return node

    def _visit_buffer(self, node: Any) -> Any:
        before, self.buffered = self.buffered, True
        node = self.generic_visit(node)
        self.buffered = before
        return node

    visit_Macro = visit_CallBlock = visit_FilterBlock = visit_AssignBlock = visit_Block = (
        _visit_buffer
    )

    def visit_Output(self, node: Any) -> Any:
        node = self.generic_visit(node)
        if self.buffered:
            node.nodes = [
                each if isinstance(each, nodes.TemplateData) else self._filtered(COUNT_VALUE, each)
                for each in node.nodes
            ]
        return node


class _RefuseLongCode(Extension):
    """Refuses a template whose code is too long to compile in a short time."""

    def filter_stream(self, stream: Any) -> Iterator[Any]:
        for number, token in enumerate(stream):
            if number > _TOKENS:
                raise LimitError(f"it has more than {_TOKENS:,} words and signs of code")
            yield token


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with limits. Use `compiled` and `rendered`."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})
    concat = staticmethod(concat)
    template_class = _CountedTemplate

    def __init__(self, loader: FolderLoader) -> None:
        super().__init__(
            loader=loader,
            extensions=[_RefuseLongCode],
            undefined=StrictUndefined,
            finalize=printed,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
            auto_reload=False,
        )
        self.binop_table = {**self.binop_table, **OPERATORS}
        self.filters, self.tests = dict(BOUNDED_FILTERS), dict(BOUNDED_TESTS)
        # Draws a new text at each call, so that no prompt would be rendered twice.
        del self.globals["lipsum"]
        self.globals["namespace"] = _OpaqueNamespace

    def _generate(
        self,
        source: nodes.Template,
        name: str | None,
        filename: str | None,
        defer_init: bool = False,
    ) -> str:
        # Only a template that another includes or imports has a name.
        counted = _AddCounting(self, buffered=name is not None).visit(source)
        return super()._generate(counted, name, filename, defer_init)

    def _load_template(self, name: str, globals: Any) -> Template:
        RENDERING.meter.tick(256)
        return super()._load_template(name, globals)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look up an attribute, or first the key of a dict, which saves jinja's exception."""
        if type(obj) is dict and attribute in obj and attribute not in _DICT_ATTRIBUTES:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Tell if a template may use an attribute."""
        if attr in CLOSED_METHODS and isinstance(obj, str | bytes | int):
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Bound `str.format` and `str.format_map`."""
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None
        text, by_map = value.__self__, value.__name__ == "format_map"
        formatter: Any = (
            BoundedEscapeFormatter(self, escape=text.escape)
            if isinstance(text, Markup)
            else BoundedFormatter(self)
        )

        def bounded(*args: Any, **named: Any) -> str:
            if by_map:
                (named,), args = args, ()
            result: str = type(text)(formatter.vformat(text, args, named))
            return result

        return bounded

    def call(__self, __context: Any, __obj: Any, *args: Any, **named: Any) -> Any:  # noqa: N805
        """Call a method or macro with its arguments and its result counted."""
        RENDERING.meter.tick(64)
        owner = getattr(__obj, "__self__", None)
        if owner is not None and isinstance(owner, str | bytes):
            check = METHODS.get(__obj.__name__)
            if check is not None:
                args = tuple(
                    list(count_turns(arg)) if hasattr(arg, "__next__") else arg for arg in args
                )
                check(
                    owner,
                    *args,
                    **{key: named[key] for key in named if key not in _JINJA_ARGUMENTS},
                )
        elif isinstance(__obj, LoopContext):
            args = tuple(map(count_loop, args))
        result = super().call(__context, __obj, *args, **named)
        if isinstance(owner, dict | list | tuple):
            count_parts(result)
        elif not isinstance(result, range | _OpaqueNamespace):
            count_value(result)
        return result

    def compiled(self, source: str) -> Template:
        """Compile a template. Raises LimitError, and errors of jinja and Python."""
        if len(source) > LONGEST_FILE:
            raise LimitError(
                f"it has more than {LONGEST_FILE:,} characters, too many for a template"
            )
        RENDERING.meter = Meter()
        return self.from_string(source)

    def rendered(
        self, template: Template, context: dict[str, Any], rng: random.Random | None = None
    ) -> str:
        """Render a compiled template.

        Args:
            template: The template.
            context: Its variables.
            rng: Draws for the filter `random`.

        Raises:
            LimitError: If the rendering exceeds a limit.
            NoTextError: If a value without a text is printed.
            Exception: Errors of jinja, and of expressions of the template.
        """
        RENDERING.meter, RENDERING.rng = Meter(), rng
        parts, total = [], 0
        # jinja would go through a chain of mappings, name by name, for each rendering.
        variables = self.context_class(
            self, {**self.globals, **context}, template.name, template.blocks
        )
        for part in template.root_render_func(variables):
            total += len(part)
            if total > LONGEST:
                RENDERING.meter.text(total)
            parts.append(part)
        return "".join(parts)
