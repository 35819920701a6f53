"""JSON documents of values, and files that are written completely or not at all."""
