"""The inventory of a training: what can be reached from it, and how each kind of object is kept and compared."""
