"""What runs may use: hours of the clock per shard and run, GPU-hours per run, user, series and day."""
