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
        return inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(
            _inner(self.function)
        )

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
            return functools.partial(self.function, **values)
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
    if isinstance(function, type) or not callable(function):
        kind = "a class" if isinstance(function, type) else type(function).__name__
        raise ConfigurationError(f"a tool is made of a function or a bound method, not of {kind}")
    try:
        return _made(function, name, description)
    except ConfigurationError as error:
        problem = error.message
    raise ConfigurationError(f"{_name_of(function)}() cannot be a tool: {problem}")


def _made(function: Callable[P, R], name: str | None, description: str | None) -> Tool[P, R]:
    inner = _inner(function)
    if inspect.isasyncgenfunction(inner) or inspect.isgeneratorfunction(inner):
        raise ConfigurationError("a generator gives no result")
    from kimi_async._types._docstring import read_docstring

    said, texts = read_docstring(inspect.getdoc(inner))
    parameters = _parameters_of(function)
    types = _types_of(inner, parameters)
    arguments = _typed_dict_of(parameters, types)
    return Tool(
        name=_name_of(function) if name is None else name,
        description=(said or None) if description is None else description,
        parameters=_schema(arguments, parameters, texts),
        function=function,
        arguments=arguments,
    )


def _inner(function: Any) -> Any:
    """Return what has the annotations: the function in a ``partial``, or the ``__call__`` of an object."""
    while isinstance(function, functools.partial):
        function = function.func
    return function if inspect.isroutine(function) else function.__call__


def _name_of(function: Any) -> str:
    """Return the name of a function; that of its class for an object that can be called."""
    while isinstance(function, functools.partial):
        function = function.func
    name: str = getattr(function, "__name__", type(function).__name__)
    return name


def _parameters_of(function: Callable[..., object]) -> list[inspect.Parameter]:
    """Return the parameters that the model gives; an argument that a ``partial`` names is given already."""
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
    given = function.keywords if isinstance(function, functools.partial) else {}
    return [each for each in parameters if each.name not in given]


def _types_of(function: Any, parameters: list[inspect.Parameter]) -> dict[str, Any]:
    """Return the types of the parameters; the type of the result may be known to type checkers only."""
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
                localns={each.__name__: each for each in getattr(innermost, "__type_params__", ())},
                include_extras=True,
            )
        except (NameError, TypeError, SyntaxError, AttributeError) as error:
            problem = f"a type cannot be read: {error}"
    raise ConfigurationError(problem)


def _typed_dict_of(parameters: list[inspect.Parameter], types: dict[str, Any]) -> Any:
    """Return the type of the arguments.

    A ``TypedDict`` takes any name, leaves out an argument that was not given, so that the function's own default is
    used, and refuses one that the function does not know.
    """
    fields = {
        each.name: types[each.name]
        if each.default is each.empty
        else typing.NotRequired[types[each.name]]
        for each in parameters
    }
    make: Any = typing.TypedDict  # with fields that type checkers cannot see
    return make("Arguments", fields)


def _schema(
    arguments: object, parameters: list[inspect.Parameter], texts: Mapping[str, str]
) -> dict[str, Any]:
    """Return the schema of the arguments, with the words of the docstring and the defaults of the function."""
    from kimi_async.tools._moonshot import moonshot_schema
    from kimi_async.tools._schema import plain_schema_of

    plain = plain_schema_of(arguments)
    own = plain["$defs"].pop(plain["$ref"].rpartition("/")[2])
    del own["title"]
    for each in parameters:
        said = {"description": texts[each.name]} if each.name in texts else {}
        default = {} if each.default is each.empty else {"default": each.default}
        own["properties"][each.name] = {**said, **own["properties"][each.name], **default}
    return moonshot_schema({**own, "$defs": plain["$defs"]})
