"""Faster arithmetic for CPUs: exact in float32, bfloat16 and int8."""
