"""How nodes speak to each other: for now each says that it is there."""
