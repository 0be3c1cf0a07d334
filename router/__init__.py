"""The unified API, /api/v1: one way for other software to send, read and steer conversations on every channel."""
