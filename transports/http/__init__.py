"""The live paths of HTTP: commands, event streams, and the hand-over of everything else to the pages."""
