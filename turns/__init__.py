"""The turn: claim a conversation, run the dialogue, commit, send."""
