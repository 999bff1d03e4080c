"""The conformance kit that authors of plugins import."""
