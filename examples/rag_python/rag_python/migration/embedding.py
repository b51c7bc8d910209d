"""Turns texts into vectors, and waits where OpenAI refuses."""

import itertools
import logging
import random
from collections.abc import Callable
from typing import Any

from openai import (
    APIConnectionError,
    APIStatusError,
    DefaultHttpxClient,
    InternalServerError,
    OpenAI,
    RateLimitError,
)

from .retry import patient_seconds, told_seconds
from .settings import Settings

log = logging.getLogger(__name__)


class Embedder:
    """One worker's OpenAI client. `pause` waits so many seconds, `count_refusal` counts a 429."""

    def __init__(
        self,
        settings: Settings,
        pause: Callable[[float], None],
        count_refusal: Callable[[], None],
    ) -> None:
        def seen(response: Any) -> None:
            # The SDK says nothing of the refusals that it retries itself.
            if response.status_code == 429:
                count_refusal()

        self._settings = settings
        self._pause = pause
        self._client = OpenAI(
            base_url=settings.openai_base_url,
            api_key=settings.openai_api_key,
            max_retries=0 if settings.openai_is_patient else 2,
            http_client=DefaultHttpxClient(event_hooks={"response": [seen]}),
        )

    def embed(self, texts: list[str]) -> list[list[float]]:
        """Embed all texts with one request, in their order. Patient, it never gives up on a 429."""
        for attempt in itertools.count():
            try:
                return self._request(texts)
            except (RateLimitError, InternalServerError, APIConnectionError) as error:
                if not self._settings.openai_is_patient:
                    raise
                headers = error.response.headers if isinstance(error, APIStatusError) else {}
                seconds = patient_seconds(attempt, told_seconds(headers), random.random())
                log.warning("%s; try %d in %.2f s", what_happened(error), attempt + 2, seconds)
                self._pause(seconds)
        raise AssertionError("unreachable: the tries never end")

    def _request(self, texts: list[str]) -> list[list[float]]:
        answer = self._client.embeddings.create(
            model=self._settings.embedding_model,
            input=texts,
            dimensions=self._settings.embedding_dimensions,
        )
        vectors = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
        if len(vectors) != len(texts):
            raise ValueError(f"{len(vectors)} vectors came back for {len(texts)} texts")
        return vectors


def what_happened(error: Exception) -> str:
    """Say in a few words what went wrong, without anything that might be secret."""
    if isinstance(error, RateLimitError):
        return f"Rate limit exceeded (429, {error.type or 'no type'})"
    if isinstance(error, APIStatusError):
        return f"OpenAI answered {error.status_code} ({error.code or error.type or 'no code'})"
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
