"""What our own pipeline adds to Rasa's: a light, fast intent classifier for chat Spanish."""
