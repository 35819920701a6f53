"""JSON documents and columns of values, and files that are written completely or not at all."""
