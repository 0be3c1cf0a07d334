"""Instagram and Messenger through Meta's Graph API and webhooks."""
