"""Several runs of one training in one batched pass, by `torch.func.vmap`."""
