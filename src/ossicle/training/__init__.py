"""What every training run shares: the loop, resumable state, averages, seeds."""
