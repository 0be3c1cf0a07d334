"""The customer's and Meta's side on this machine: Graph API, signed webhooks, phones, faults, and a fake model server.

Written from Meta's documentation alone and importing nothing of the bot, so that a misreading in one of the two shows up
as a failing conversation instead of two mistakes that cancel out.
"""
