"""Email: mails in over IMAP or a provider's webhook, answers out over SMTP."""
