"""The collection in Qdrant that the vectors go to."""

import logging
import random
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from .retry import upsert_seconds
from .settings import Settings, SettingsError

log = logging.getLogger(__name__)

UPSERT_RETRIES = 3
CONFLICT = 409
POINTS = uuid.UUID("6f1a1f0e-5d0c-4a9e-8f55-3d2f6f0b7a11")

# The client warns of every key that it sends over plain HTTP, and the mocks have nothing else.
warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")


@dataclass(frozen=True)
class Chunk:
    """A piece of a record: what is embedded, and what a point says about where it comes from."""

    record_id: int
    title: str
    number: int
    text: str

    @property
    def point_id(self) -> str:
        """The same for the same chunk, so that storing it again replaces it."""
        return str(uuid.uuid5(POINTS, f"{self.record_id}/{self.number}"))


class Target:
    """One process's Qdrant client. `pause` waits so many seconds."""

    def __init__(self, settings: Settings, pause: Callable[[float], None]) -> None:
        self._collection = settings.qdrant_collection
        self._dimensions = settings.embedding_dimensions
        self._pause = pause
        self._client = QdrantClient(
            url=settings.qdrant_url,
            api_key=settings.qdrant_api_key,
            timeout=settings.qdrant_timeout_seconds,
            # It would ask for the server's version in every worker.
            check_compatibility=False,
        )

    def ensure_collection(self) -> None:
        """Create the collection where it is missing; raise a SettingsError where it can't serve."""
        try:
            if not self._client.collection_exists(self._collection):
                self._create_collection()
            params = self._client.get_collection(self._collection).config.params.vectors
        except (ApiException, QdrantException) as error:
            raise SettingsError(f"QDRANT_URL, QDRANT_API_KEY: {first_line(error)}") from None
        if not isinstance(params, models.VectorParams) or params.size != self._dimensions:
            raise SettingsError(
                f"QDRANT_COLLECTION: {self._collection} exists with other vectors than "
                f"EMBEDDING_DIMENSIONS={self._dimensions}; name another or delete it"
            )

    def _create_collection(self) -> None:
        vectors = models.VectorParams(size=self._dimensions, distance=models.Distance.COSINE)
        try:
            self._client.create_collection(self._collection, vectors_config=vectors)
        except UnexpectedResponse as error:
            # Another pilot that began at the same time may have been faster.
            if error.status_code != CONFLICT:
                raise

    def upsert(self, chunks: list[Chunk], vectors: list[list[float]]) -> None:
        """Store all chunks with one request and wait until they are applied; three more tries."""
        batch = models.Batch(
            ids=[chunk.point_id for chunk in chunks],
            vectors=vectors,
            payloads=[
                {"record_id": chunk.record_id, "chunk": chunk.number, "title": chunk.title}
                for chunk in chunks
            ],
        )
        for attempt in range(UPSERT_RETRIES + 1):
            try:
                self._client.upsert(self._collection, points=batch, wait=True)
                return
            except (ApiException, QdrantException) as error:
                if attempt == UPSERT_RETRIES:
                    raise
                seconds = upsert_seconds(attempt, random.random())
                log.warning("Qdrant: %s; again in %.2f s", first_line(error), seconds)
                self._pause(seconds)


def first_line(error: Exception) -> str:
    """Say what went wrong in one line."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
