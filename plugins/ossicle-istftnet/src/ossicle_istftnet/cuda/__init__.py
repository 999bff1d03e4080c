"""The generator on CUDA: fused epilogues, channels last, one graph a length."""
