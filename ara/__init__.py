"""Ara answers what the dialogue has no rule for: from the shop's knowledge, or through a model that may only repeat it."""
