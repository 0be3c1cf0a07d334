"""Custom actions, run by ``rasa run actions``. Thin: they read through ``crm/`` and ``ara/``, and state effects as custom JSON.

``rasa_sdk`` imports every module of this package and registers each action class that it finds.
"""
