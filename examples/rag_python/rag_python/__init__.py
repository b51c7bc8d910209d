"""A small migration from MySQL through OpenAI embeddings into Qdrant."""
