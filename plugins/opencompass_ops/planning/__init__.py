"""Request to plan: what runs, in which shards, and what need not run again. Pure: values in, values out."""
