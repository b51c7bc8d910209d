"""Reads records, embeds their chunks and stores the vectors, with so many worker processes."""
