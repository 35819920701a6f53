"""Values as JSON documents, and files that are written whole or not at all."""
