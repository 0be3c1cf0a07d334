"""Settings, command line, metrics and doctor: what the operator touches."""
