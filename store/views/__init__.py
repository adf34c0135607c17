"""Tables of views: their definition, the rows and the progress in them, and which versions there are."""
