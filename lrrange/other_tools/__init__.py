"""Names that other tools have for what lrrange has.

The tools are fastai's `lr_find`, Lightning's `Tuner` and `LearningRateFinder`, torch-lr-finder, Ignite's
`FastaiLRFinder`, MONAI's `LearningRateFinder`, the LRFinder callbacks of Keras, transformers, and PyTorch itself. The
keys of all tables are written as `lrrange.other_tools.fold.fold` writes them.
"""
