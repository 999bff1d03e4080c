"""Fused kernels for CUDA in Triton, each beside its plain reference."""
