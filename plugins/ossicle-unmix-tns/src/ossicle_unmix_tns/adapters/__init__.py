"""The adapters: components that turn a trained classifier into one that adapts to what it hears."""
