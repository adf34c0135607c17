"""Notices that leave an inbox: as mail, to browsers, and to users' own URLs."""
