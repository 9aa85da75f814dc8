"""`Sealed`: the base of values whose private content shows only in a public form."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic_core import core_schema


class Sealed:
    """A value that prints, formats and serialises as its public form."""

    __slots__ = ("_sealed",)

    _sealed: Any
    #: The value's JSON schema in a recipe.
    _schema: ClassVar[dict[str, Any]] = {"type": "string"}

    @property
    def public(self) -> Any:
        """The form that may be shown, stored and hashed."""
        raise NotImplementedError

    def reveal(self) -> Any:
        """Return the private content, for a worker process of this program."""
        return self._sealed

    def __repr__(self) -> str:
        return repr(self.public)

    def __str__(self) -> str:
        return str(self.public)

    def __format__(self, spec: str) -> str:
        return format(str(self.public), spec)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Sealed):
            return type(other) is type(self) and bool(other._sealed == self._sealed)
        return bool(self._sealed == other)

    def __hash__(self) -> int:
        return hash(str(self.public))

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"{type(self).__name__} may hold a secret and is not pickled")

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    @classmethod
    def _of(cls, value: Any) -> Any:
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        def shown(value: Any, info: Any) -> Any:
            # `model_copy` may put an unchecked value into a field.
            value = value if isinstance(value, cls) else cls._of(value)
            return value.reveal() if (info.context or {}).get("reveal") else value.public

        return core_schema.no_info_plain_validator_function(
            cls._of,
            serialization=core_schema.plain_serializer_function_ser_schema(shown, info_arg=True),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return dict(cls._schema)
