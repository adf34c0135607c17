"""The pages of docs/reference/ that are printed from the code: settings, metrics, log events.

`python -m greenroom.config.reference` writes them, into docs/reference/ of the checkout; a test says when one is not
what the code says.
"""
