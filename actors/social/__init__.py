"""The social spine: people, whom they follow, what they post, and what they are shown.

Each fact has one owner that is bounded; what is unbounded is rows of a view. An edge is its follower's, a reaction its
post's, and of an author's followers only the count is kept by the author. Who may see what is decided where it is read,
by `feed:USER` of whoever reads: so edit, delete, block and visibility hold at once, whatever was written before.
"""
