"""Sound as rows of numbers: clip vectors, frames, embeddings, and clip scores from the scores of rows."""
