"""The variants: loops without a sweep, lrrange, and other finders, each run on the same jobs."""
