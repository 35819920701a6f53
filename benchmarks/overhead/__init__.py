"""What a sweep costs on top of its training steps: time, memory, files, imports; lrrange beside its peers."""
