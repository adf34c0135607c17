"""One life of an entity, from waking until it sleeps or is built anew: what its handlers decide, and what follows.

Pure: nothing here waits, reads or writes. `life.py` is where to begin; the trio shell around it is
`supervisors/kernel/cells/`, the one for tests `actors/testing/kit.py`.
"""
