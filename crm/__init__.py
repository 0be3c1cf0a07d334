"""The port to the CRM's database and its adapters."""
