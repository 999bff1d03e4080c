"""Tables in CSV, NPZ, NPY and Parquet files, read and written piece by piece."""
