"""What about a config would fail later, told before a GPU is used: its text, its sections, its data and weights."""
