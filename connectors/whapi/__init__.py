"""WhatsApp through Whapi.Cloud, a gateway that drives an ordinary WhatsApp number like WhatsApp Web does."""
