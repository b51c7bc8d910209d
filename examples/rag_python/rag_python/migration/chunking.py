"""Cuts texts into chunks."""

from collections.abc import Iterator


def chunks_of(text: str, chunk_bytes: int) -> Iterator[str]:
    """Cut a text into pieces of at most so many UTF-8 bytes, never within a character."""
    data = text.encode()
    start = 0
    while start < len(data):
        end = min(start + chunk_bytes, len(data))
        # A byte 10xxxxxx continues a character: the cut goes before its first byte.
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        yield data[start:end].decode()
        start = end
