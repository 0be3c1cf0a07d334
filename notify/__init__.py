"""Telling the staff and other software what happened: notifications, and the signed outgoing webhook."""
