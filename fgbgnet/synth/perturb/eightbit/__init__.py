"""The operations of `fgbgnet.synth.perturb` for one picture of 8 bits on the CPU, in a fraction of the time.

Same parameters, same formulas, uint8 (H, W, 3) instead of float tensors: results are rounded to levels after every
operation, and are else the same to about a level.
"""
