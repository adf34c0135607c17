"""The store of views in memory: the same promises without a disk, for tests and for whole clusters in one process."""
