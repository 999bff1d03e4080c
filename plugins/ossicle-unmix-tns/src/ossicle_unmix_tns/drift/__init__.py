"""The benchmark: a BatchNorm classifier, streams of corrupted sound, and every adapter over them."""
