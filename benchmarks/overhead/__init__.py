"""The cost of a sweep on top of its training steps: time, memory, files and imports, for lrrange and other finders."""
