"""What a chat is told about a run: read from its folder, said in two languages, rendered for each service, sent."""
