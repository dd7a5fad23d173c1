"""What runs in the GPU container: rows to requests, requests to answers, answers to scores."""
