"""Fine-tuning a small language model, pretrained here, over a grid of rates, against the answers of a range test."""
