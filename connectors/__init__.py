"""What speaks to the platforms: one package each, and the vocabulary that they share."""
