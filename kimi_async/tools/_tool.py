"""Tools made of typed functions: what the model is told of them, and how its arguments reach them; pure.

Nothing here runs a function on its own: that is done by :mod:`kimi_async.tools._run`, or by whoever calls the tool.
"""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Final, Generic, ParamSpec, TypeVar, overload

import msgspec
from attrs import field, frozen

from kimi_async._errors import ConfigurationError, OutputError
from kimi_async._json_text import read_json_text

__all__ = ["Tool", "ToolError", "tool"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")

#: ``docs/providers.md`` 3.3; the names that other hosts take are no wider.
_NAME: Final = r"[A-Za-z_][A-Za-z0-9_-]{0,127}"

#: What arguments are read into where no types say more.
_ANY: Final = dict[str, Any]


class ToolError(Exception):
    """Raised by a tool, it tells the model what went wrong: its text becomes the result of the call.

    Of any other exception the model learns the type and nothing else, because texts of exceptions hold what it must not
    see: a URL with a key in it, the name of a host.
    """


@frozen(kw_only=True, eq=False)
class Tool(Generic[P, R_co]):
    """A function that the model may call; made by :func:`tool`.

    Calling it calls the function. It can be given among ``tools=`` of ``chat()``, ``stream()`` and ``run()``.

    Attributes:
        name: What the model calls it: a letter or ``_``, then up to 127 letters, digits, ``-`` and ``_``.
        description: What the model is told of it, or ``None``.
        parameters: The JSON Schema of the arguments, an object.
        function: What is called, sync or async, with one keyword for each argument.
        arguments: The type that the arguments are checked against, one whose values are dicts.

    Raises:
        ConfigurationError: *name* is none that the providers take.
    """

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] = field(repr=False)
    function: Callable[P, R_co] = field(repr=False)
    arguments: object = field(default=_ANY, repr=False)

    def __attrs_post_init__(self) -> None:
        if not re.fullmatch(_NAME, self.name):
            raise ConfigurationError(
                f"{self.name!r} is no name of a tool: it must be a letter or '_', then up to 127 letters, "
                "digits, '-' and '_'; give name=..."
            )

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return self.function(*args, **kwargs)

    @property
    def is_async(self) -> bool:
        """Whether the function is ``async``."""
        return inspect.iscoroutinefunction(self.function)

    def bind(self, arguments: str) -> Callable[[], R_co]:
        """Check what the model wrote, and give the call that it asks for, ready to be made.

        Args:
            arguments: The text of the arguments; blank counts as ``{}``, which models leave out where a tool needs
                nothing.

        Raises:
            OutputError: It is no JSON or does not fit the parameters; the message names what was expected and where.
        """
        text = arguments if arguments.strip() else "{}"
        try:
            values = read_json_text(text, self.arguments)
        except ValueError as error:
            problem = str(error)
        else:
            given = values if self.arguments is _ANY else _given(values)
            return functools.partial(self.function, **given)
        raise OutputError(
            f"the arguments of the tool call {self.name!r} do not fit: {problem}", text=arguments
        )

    def call(self, arguments: str) -> R_co:
        """Check what the model wrote and call the function: await what an async one gives.

        Args:
            arguments: The text of the arguments.

        Raises:
            OutputError: As of :meth:`bind`; whatever the function raises passes through.
        """
        return self.bind(arguments)()

    def to_wire(self) -> dict[str, Any]:
        """The tool in the OpenAI form."""
        said = {} if self.description is None else {"description": self.description}
        function = {"name": self.name, **said, "parameters": self.parameters}
        return {"type": "function", "function": function}


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *, name: str | None = None, description: str | None = None
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
@overload
def tool(
    function: Callable[P, R], /, *, name: str | None = None, description: str | None = None
) -> Tool[P, R]: ...
def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
) -> Tool[P, R] | Callable[[Callable[P, R]], Tool[P, R]]:
    """Make a tool of a typed function, as a decorator or by a call: ``tool(store.find)``.

    The types of the parameters become a JSON Schema: builtins, ``Literal``, ``Annotated`` with ``msgspec.Meta``, enums,
    unions, dataclasses, attrs classes, ``TypedDict``, ``msgspec.Struct`` and pydantic models. What the docstring says
    of a parameter, in Google's form or that of reST, becomes its description.

    Args:
        function: A function or bound method, sync or async; every parameter needs a type, and can be given by name.
        name: What the model calls it; the function's own name if ``None``.
        description: What the model is told; what the docstring says above its first section if ``None``.

    Raises:
        ConfigurationError: The function cannot be a tool; the text says why.
    """
    if function is None:
        return functools.partial(_tool_of, name=name, description=description)
    return _tool_of(function, name=name, description=description)


def _tool_of(
    function: Callable[P, R], /, *, name: str | None, description: str | None
) -> Tool[P, R]:
    if not inspect.isroutine(function):
        kind = type(function).__name__
        raise ConfigurationError(f"a tool is made of a function or a bound method, not of {kind}")
    try:
        return _made(function, name, description)
    except ConfigurationError as error:
        problem = error.message
    raise ConfigurationError(f"{function.__name__}() cannot be a tool: {problem}")


def _made(function: Callable[P, R], name: str | None, description: str | None) -> Tool[P, R]:
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise ConfigurationError("a generator gives no result")
    from kimi_async.tools._docstring import read_docstring

    said, texts = read_docstring(inspect.getdoc(function))
    parameters = _parameters_of(function)
    types = _types_of(function, parameters)
    arguments = _struct_of(parameters, types)
    return Tool(
        name=function.__name__ if name is None else name,
        description=(said or None) if description is None else description,
        parameters=_schema(arguments, parameters, texts),
        function=function,
        arguments=arguments,
    )


def _parameters_of(function: Callable[..., object]) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:
        parameters = None
    if parameters is None:
        raise ConfigurationError("its parameters are not known")
    for each in parameters:
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            raise ConfigurationError(
                f"{each} has no JSON Schema, so the model cannot be told of it; name each parameter"
            )
        if each.kind is each.POSITIONAL_ONLY:
            raise ConfigurationError(f"{each.name!r} cannot be given by name")
    return parameters


def _types_of(
    function: Callable[..., object], parameters: list[inspect.Parameter]
) -> dict[str, Any]:
    """The types of the parameters; that of the result may name what only type checkers import."""
    innermost = inspect.unwrap(getattr(function, "__func__", function))
    notes = {
        name: note
        for name, note in inspect.get_annotations(innermost).items()
        if name in {parameter.name for parameter in parameters}
    }
    untyped = next((each.name for each in parameters if each.name not in notes), None)
    if untyped in ("self", "cls"):
        problem = "a method must be bound first, as in tool(store.find)"
    elif untyped is not None:
        problem = f"the parameter {untyped!r} has no type"
    else:
        try:
            return typing.get_type_hints(
                SimpleNamespace(__annotations__=notes),
                globalns=getattr(innermost, "__globals__", {}),
                include_extras=True,
            )
        except (NameError, TypeError, SyntaxError, AttributeError) as error:
            problem = f"a type cannot be read: {error}"
    raise ConfigurationError(problem)


def _struct_of(parameters: list[inspect.Parameter], types: dict[str, Any]) -> type[msgspec.Struct]:
    """What the arguments are read into.

    An argument that was not given stays unset, so that the function's own default is used. One that the function does
    not know is refused: ignored, it would run a call that the model did not mean.
    """
    fields = [
        (each.name, types[each.name])
        if each.default is each.empty
        else (each.name, types[each.name], msgspec.UNSET)
        for each in parameters
    ]
    return msgspec.defstruct("Arguments", fields, kw_only=True, forbid_unknown_fields=True)


def _given(values: msgspec.Struct) -> dict[str, Any]:
    fields = {name: getattr(values, name) for name in values.__struct_fields__}
    return {name: value for name, value in fields.items() if value is not msgspec.UNSET}


def _schema(
    arguments: type[msgspec.Struct], parameters: list[inspect.Parameter], texts: Mapping[str, str]
) -> dict[str, Any]:
    from kimi_async.tools._schema import moonshot_schema, schema_of

    schema = schema_of(arguments)
    del schema["title"]
    for each in parameters:
        said = {"description": texts[each.name]} if each.name in texts else {}
        default = {} if each.default is each.empty else {"default": each.default}
        schema["properties"][each.name] = {**said, **schema["properties"][each.name], **default}
    # Not every place may say a default, and not every default can be said.
    return moonshot_schema(schema)
