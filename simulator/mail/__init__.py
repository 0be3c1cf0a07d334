"""The mail server's side: submission, the shop's mailbox over IMAP, inbound webhooks, and the mail that customers write."""
