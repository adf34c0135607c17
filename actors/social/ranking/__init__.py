"""In which order: candidates, features, a model.

`order.ranked` is the way through: at most 500 candidates get a light score, the best 100 of them the model's, by
features that are kept as they were scored; then an author who has much gives way. `features:USER` remembers what a
reader has looked at and liked, in windows that fade. No model file, no library: then the light score is all there is.
"""
