"""Tools made of typed functions: their description for the model, and the check of the model's arguments; pure.

Nothing here runs a function: :mod:`kimi_async.tools._run` does, or the code that calls the tool.
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

#: ``docs/providers.md`` 3.3; other hosts accept the same names or fewer.
_NAME: Final = r"[A-Za-z_][A-Za-z0-9_-]{0,127}"

#: The type of the arguments where no types say more.
_ANY: Final = dict[str, Any]


class ToolError(Exception):
    """Raised by a tool to tell the model the cause of a failure: its text becomes the result of the call.

    The model learns only the type of any other exception, because the text of an exception may hold a secret, such as
    a URL with a key, or the name of a host.
    """


@frozen(kw_only=True, eq=False)
class Tool(Generic[P, R_co]):
    """A function that the model may call; made by :func:`tool`.

    A call of the tool calls the function. ``chat()``, ``stream()`` and ``run()`` accept it in ``tools=``.

    Attributes:
        name: The name for the model: a letter or ``_``, then up to 127 letters, digits, ``-`` and ``_``.
        description: The description for the model, or ``None``.
        parameters: The JSON Schema of the arguments, an object.
        function: The function, sync or async; it is called with one keyword for each argument.
        arguments: The type that the arguments are checked against; its values are dicts.
        names: The parameters whose name is another one for the model: ``_Store__key`` for the argument ``__key``.

    Raises:
        ConfigurationError: The providers do not accept *name*.
    """

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] = field(repr=False)
    function: Callable[P, R_co] = field(repr=False)
    arguments: object = field(default=_ANY, repr=False)
    names: Mapping[str, str] = field(factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        if not re.fullmatch(_NAME, self.name):
            raise ConfigurationError(
                f"{self.name!r} cannot be the name of a tool: it must be a letter or '_', then up to 127 letters, "
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
        """Check the arguments that the model wrote, and return the call, ready to be made.

        Args:
            arguments: The text of the arguments. A blank text counts as ``{}``, because models write nothing where a
                tool needs no arguments.

        Raises:
            OutputError: The text is not JSON or does not fit the parameters; the message names the expected type and
                the place.
        """
        text = arguments if arguments.strip() else "{}"
        try:
            values = read_json_text(text, self.arguments)
        except ValueError as error:
            problem = str(error)
        else:
            named = {self.names.get(key, key): value for key, value in values.items()}
            return functools.partial(self.function, **named)
        raise OutputError(
            f"the arguments of the tool call {self.name!r} do not fit: {problem}", text=arguments
        )

    def call(self, arguments: str) -> R_co:
        """Check the arguments that the model wrote and call the function; await the result of an async one.

        Args:
            arguments: The text of the arguments.

        Raises:
            OutputError: The same as in :meth:`bind`.
            Exception: The exception of the function.
        """
        return self.bind(arguments)()

    def to_wire(self) -> dict[str, Any]:
        """Return the tool in the OpenAI form."""
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

    The types of the parameters become a JSON Schema; the page "Tools" lists the types. The text of the docstring about
    a parameter, in the form of Google, numpy or reST, becomes its description.

    Args:
        function: A function, a bound method, a ``functools.partial`` or an object with ``__call__``, sync or async.
            Every parameter needs a type, and must be one that can be given by name. An argument that a ``partial``
            names is not offered to the model.
        name: The name for the model; the function's own name if ``None``.
        description: The description for the model; the docstring above its first section if ``None``.

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

    said, texts = read_docstring(_doc_of(inner))
    parameters = _parameters_of(function)
    types = _types_of(inner, parameters)
    written = _written_names(inner, parameters)
    parameters = [each.replace(name=written[each.name]) for each in parameters]
    arguments = _typed_dict_of(parameters, {written[each]: types[each] for each in written})
    return Tool(
        name=_name_of(function) if name is None else name,
        description=(said or None) if description is None else description,
        parameters=_schema(arguments, parameters, texts),
        function=function,
        arguments=arguments,
        names={argument: name for name, argument in written.items() if name != argument},
    )


def _written_names(function: Any, parameters: list[inspect.Parameter]) -> dict[str, str]:
    """Return the name of each parameter as it stands in the code, which differs in a method for ``__name``."""
    from kimi_async._types._classes import written_name

    owner = getattr(function, "__self__", None)
    owners = inspect.getmro(owner if isinstance(owner, type) else type(owner))
    return {each.name: written_name(each.name, owners) for each in parameters}


def _inner(function: Any) -> Any:
    """Return the function that has the annotations: that in a ``partial``, or the ``__call__`` of an object."""
    while isinstance(function, functools.partial):
        function = function.func
    return function if inspect.isroutine(function) else function.__call__


def _doc_of(function: Any) -> str | None:
    """Return the docstring of a function; that of its class for an object whose ``__call__`` has none."""
    text = inspect.getdoc(function)
    if text != type.__call__.__doc__:  # which every __call__ without a docstring inherits
        return text
    from kimi_async._types._classes import doc_of

    return doc_of(type(function.__self__))


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
    try:
        return make("Arguments", fields)
    except TypeError as error:
        problem = f"a type cannot be read: {error}"
    raise ConfigurationError(problem)


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
