"""What the outlier recipes are made of: options, results that a stopped run goes on from, pools, figures."""
