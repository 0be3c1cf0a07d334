"""Whapi.Cloud's side: the HTTP API of one channel, its webhooks, and what WhatsApp's customers do."""
