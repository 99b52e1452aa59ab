"""The common part of all wires: the order in which a reply is written, and the methods for each provider. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from http.client import responses
from itertools import chain, zip_longest
from typing import Any, ClassVar, Final, Literal, TypeAlias

from attrs import frozen

from kimi_async._models import ModelInfo
from kimi_async._record import Usage
from kimi_async.testing._checks import all_of
from kimi_async.testing._completion import Completion, Part, ReplyChoice, parts_of

__all__ = ["ErrorSpec", "ProviderName", "Wire", "as_models", "given", "head_of", "phrase"]

#: The wires that the fakes speak.
ProviderName: TypeAlias = Literal["acedata", "cloudsway", "moonshot", "openai"]

_MODELS_CREATED: Final = 1_770_992_031


def as_models(models: Iterable[str | ModelInfo]) -> tuple[ModelInfo, ...]:
    """Convert an attribute that holds models; a mere name gets a date and an owner."""
    listed = all_of(models, str, ModelInfo, name="models")
    return tuple(
        ModelInfo(id=model, created=_MODELS_CREATED, owned_by="moonshot")
        if isinstance(model, str)
        else model
        for model in listed
    )


@frozen(kw_only=True)
class ErrorSpec:
    """An error before a provider's spelling.

    Attributes:
        status: The HTTP status.
        code: The provider's code; ``None`` = the provider's usual one for the status.
        message: The text.
        type: An error type; ``None`` = the provider's usual one for the status, if it has types.
        number: Which request it answers, from 1; trace ids are made from it.
    """

    status: int
    code: str | int | None
    message: str
    type: str | None
    number: int


class Wire(ABC):
    """The wire format of one provider; the common part is written here.

    Attributes:
        usage_unasked: Whether a stream ends with the usage chunk even if ``stream_options`` did not ask for it.
        listed: The models of the provider's list, where a script names none.
    """

    usage_unasked: ClassVar[bool] = False
    listed: ClassVar[tuple[ModelInfo, ...]]

    @abstractmethod
    def new_id(self, number: int) -> str:
        """Return the id of the reply to the *number*-th request."""

    @abstractmethod
    def model(self, asked: str | None, /) -> str:
        """Return the model's name that is echoed to a request for *asked*."""

    @abstractmethod
    def error(self, complaint: ErrorSpec) -> dict[str, Any]:
        """Write an error in the provider's envelope."""

    @abstractmethod
    def _whole(
        self, completion: Completion, kind: str, choices: list[Any], usage: Usage | None
    ) -> dict[str, Any]:
        """Write the outermost object of a body or a chunk; *kind* is its ``object``."""

    @abstractmethod
    def _choice(self, index: int, said: dict[str, Any], reason: str | None) -> dict[str, Any]:
        """Write a choice; *said* is its ``message`` or ``delta`` under that key."""

    @abstractmethod
    def _message(self, choice: ReplyChoice) -> dict[str, Any]:
        """Write a whole message."""

    @abstractmethod
    def _delta(self, part: Part) -> dict[str, Any]:
        """Write one piece of a message; ``{}`` is the empty delta."""

    def _finishable(self, parts: list[Part]) -> list[Part]:
        """Arrange the parts of a choice so that the last one can carry the finish reason."""
        return [*parts, {}]

    def _finish(self, choice: dict[str, Any], _usage: Usage | None, /) -> dict[str, Any]:
        """Add the fields that only the choice of a finishing chunk has."""
        return choice

    def body(self, completion: Completion) -> dict[str, Any]:
        """Write a completion as one JSON body."""
        choices = [
            self._choice(index, {"message": self._message(choice)}, choice.reason)
            for index, choice in enumerate(completion.choices)
        ]
        return self._whole(completion, "chat.completion", choices, completion.usage)

    def chunks(
        self, completion: Completion, *, include_usage: bool = True
    ) -> Iterator[dict[str, Any]]:
        """Write a completion as the objects of a stream: choices take turns, usage is last.

        Args:
            completion: The reply.
            include_usage: Whether the request asked for the usage chunk.
        """
        kind = "chat.completion.chunk"
        turns = (
            self._deltas(completion, index, choice)
            for index, choice in enumerate(completion.choices)
        )
        for choice in chain.from_iterable(zip_longest(*turns)):
            if choice is not None:
                yield self._whole(completion, kind, [choice], None)
        if completion.usage is not None and (include_usage or self.usage_unasked):
            yield self._whole(completion, kind, [], completion.usage)

    def models(self, models: Iterable[ModelInfo]) -> dict[str, Any]:
        """Write a list of models."""
        return {"object": "list", "data": [self._model(model) for model in models]}

    def _model(self, model: ModelInfo) -> dict[str, Any]:
        """Write one entry of that list; fields that the model does not have are left out."""
        return {"id": model.id, "object": "model"} | given(
            created=model.created,
            owned_by=model.owned_by,
            context_length=model.context_length,
            supports_image_in=model.supports_image_in,
            supports_video_in=model.supports_video_in,
            supports_reasoning=model.supports_reasoning,
        )

    def _deltas(
        self, completion: Completion, index: int, choice: ReplyChoice
    ) -> Iterator[dict[str, Any]]:
        *parts, last = self._finishable(parts_of(choice, completion.chunk_chars))
        for part in parts:
            yield self._choice(index, {"delta": self._delta(part)}, None)
        finish = self._choice(index, {"delta": self._delta(last)}, choice.reason)
        yield self._finish(finish, completion.usage)


def head_of(completion: Completion, kind: str) -> dict[str, Any]:
    """Return the fields with which most hosts begin a body or a chunk."""
    return {
        "id": completion.id,
        "object": kind,
        "created": completion.created,
        "model": completion.model,
    }


def given(**fields: str | int | None) -> dict[str, str | int]:
    """Leave out the fields that are ``None``."""
    return {name: value for name, value in fields.items() if value is not None}


def phrase(status: int) -> str:
    """Return the phrase that HTTP has for a status; statuses that only some hosts use have none."""
    return responses.get(status, "Unknown Error")
