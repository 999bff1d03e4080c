"""Sound: files, streams, mel front ends, corpora and measures."""
