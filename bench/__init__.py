"""``make bench``: a stock Rasa assistant and ours, measured side by side on this machine."""
